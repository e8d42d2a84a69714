/* A cluster that does exactly what a script says, and writes down what happens.
 *
 * Nothing moves by itself: the script fires timers, delivers or drops messages, crashes and
 * restarts nodes. Disks are honest and finish at once. What comes out is a text that reads as the
 * story of one episode of Raft; the golden files beside this are those stories.
 */
#ifndef OCTO_TESTS_GOLDEN_CLUSTER_H
#define OCTO_TESTS_GOLDEN_CLUSTER_H

#include "kernel/kernel.h"
#include "vfs/vfs.h"

#include <stdio.h>

/* cluster_open starts node_count nodes (up to 5) that write their story to out. A leader puts at
 * most entries_max entries into one message. */
void cluster_open(uint32_t node_count, uint32_t entries_max, FILE *out);
void cluster_close(void);

/* say writes a comment line of the script's author. */
void say(const char *text);

/* timeout moves node's clock to its next deadline and fires its timer. */
void timeout(octo_node_id node);

/* elapse lets a second go by on every node's clock without firing a timer. */
void elapse(void);

/* deliver hands over the oldest message in flight from one node to another; deliver_all hands over
 * everything, oldest first, until nothing is in flight. drop loses all that is in flight between
 * two nodes, in that direction; drop_all loses everything in flight. */
void deliver(octo_node_id from, octo_node_id to);
void deliver_all(void);
void drop(octo_node_id from, octo_node_id to);
void drop_all(void);

/* cut keeps a node from sending and hearing anything until join. */
void cut(octo_node_id node);
void join(octo_node_id node);

/* set asks node, as client 1, to set a key to a value. */
void set(octo_node_id node, const char *key, const char *value);

/* crash is a power loss; restart boots the node again from its disk. */
void crash(octo_node_id node);
void restart(octo_node_id node);

/* show writes one line with the state of every node. */
void show(void);

#endif
