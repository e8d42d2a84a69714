/* The judge of the consensus tests: watches every effect of every node of one cluster and keeps the
 * first rule that was broken. The safety properties of figure 3 of the Raft paper, and K3. */
#ifndef OCTO_TESTS_RAFT_JUDGE_H
#define OCTO_TESTS_RAFT_JUDGE_H

#include "kernel/kernel.h"

#define JUDGE_NODES   7u
#define JUDGE_TERMS   4096u
#define JUDGE_ENTRIES 4096u
#define JUDGE_SEEN    32768u /* a power of two */

struct judge_entry {
    octo_index index;
    octo_term term;
    uint64_t chain;
};

struct judge_node {
    octo_term saved_term; /* as the node's own disk confirmed */
    octo_node_id saved_vote;
    octo_term promised_term; /* the highest that anybody was told, across incarnations */
    octo_node_id promised_vote;
    octo_index acked; /* likewise; lowered by truncation */
    uint64_t acked_chain;
};

struct judge {
    uint64_t cluster_id;
    struct judge_node nodes[JUDGE_NODES + 1];
    const struct octo_node *live[JUDGE_NODES + 1]; /* the host's; NULL while down */
    octo_node_id leaders[JUDGE_TERMS];
    struct judge_entry committed[JUDGE_ENTRIES];
    octo_index committed_max;
    struct judge_entry seen[JUDGE_SEEN]; /* by index and term */
    uint32_t elections;
    const char *complaint;
    octo_node_id culprit;
};

static inline void judge_rule(struct judge *judge, octo_node_id id, bool holds, const char *rule)
{
    if (holds || judge->complaint != NULL)
        return;
    judge->complaint = rule;
    judge->culprit = id;
}

/* The chain of a node's log at index, 0 if the log ends before it. What a snapshot stands for is
 * committed, and the node has no other there. */
static inline uint64_t judge_chain(const struct judge *judge, const struct octo_node *node,
                                   octo_index index)
{
    struct octo_node_view view;
    struct octo_entry entry;

    octo_node_look(node, &view);
    if (index == view.base)
        return view.base_chain;
    if (index < view.base)
        return index <= judge->committed_max ? judge->committed[index].chain : 0;
    return octo_node_entry(node, index, &entry) ? entry.chain : 0;
}

/* ---- Elections ----------------------------------------------------------------------------- */

static inline void judge_leader(struct judge *judge, octo_node_id id, const struct octo_node *node,
                                octo_term term)
{
    judge->elections++;
    judge_rule(judge, id, term < JUDGE_TERMS, "too many terms for the judge");
    if (term >= JUDGE_TERMS)
        return;
    judge_rule(judge, id, judge->leaders[term] == 0, "election safety: two leaders in one term");
    judge->leaders[term] = id;
    const octo_index max = judge->committed_max;
    judge_rule(judge, id, judge_chain(judge, node, max) == judge->committed[max].chain,
               "leader completeness: a committed entry is missing");
}

/* A promise about a vote: of this node in this term, for nobody else, and saved (K3). */
static inline void judge_vote(struct judge *judge, octo_node_id id, octo_term term,
                              octo_node_id vote)
{
    struct judge_node *own = &judge->nodes[id];

    judge_rule(judge, id, own->saved_term == term && own->saved_vote == vote,
               "K3: a vote was used before it was saved");
    judge_rule(judge, id,
               term > own->promised_term || own->promised_vote == 0 || own->promised_vote == vote,
               "vote once: two votes in one term");
    judge_rule(judge, id, term >= own->promised_term, "a vote in an old term");
    own->promised_term = term;
    own->promised_vote = vote;
}

/* ---- Logs ---------------------------------------------------------------------------------- */

/* Whether the leader of that term, if it still leads, holds the entry that was acknowledged to it.
 */
static inline bool judge_matches(const struct judge *judge, octo_term term, octo_index index,
                                 uint64_t chain)
{
    const octo_node_id leader = term < JUDGE_TERMS ? judge->leaders[term] : 0;
    struct octo_node_view view;

    if (leader == 0 || judge->live[leader] == NULL)
        return true;
    octo_node_look(judge->live[leader], &view);
    if (view.role != OCTO_ROLE_LEADER || view.term != term)
        return true;
    return judge_chain(judge, judge->live[leader], index) == chain;
}

static inline void judge_ack(struct judge *judge, octo_node_id id, const struct octo_node *node,
                             const struct octo_message *message, octo_index index)
{
    struct judge_node *own = &judge->nodes[id];
    struct octo_node_view view;

    octo_node_look(node, &view);
    judge_rule(judge, id, own->saved_term == message->term,
               "K3: an acknowledgement in a term that is not saved");
    judge_rule(judge, id, index <= view.durable, "K3: an acknowledgement beyond what is durable");
    judge_rule(judge, id,
               judge_matches(judge, message->term, index, judge_chain(judge, node, index)),
               "an acknowledgement of an entry that the leader does not have");
    if (message->term > own->promised_term) {
        own->promised_term = message->term;
        own->promised_vote = own->saved_vote;
    }
    if (index > own->acked) {
        own->acked = index;
        own->acked_chain = judge_chain(judge, node, index);
    }
}

static inline void judge_truncate(struct judge *judge, octo_node_id id,
                                  const struct octo_node *node, octo_index from)
{
    struct judge_node *own = &judge->nodes[id];

    if (own->acked < from)
        return;
    own->acked = from - 1;
    own->acked_chain = judge_chain(judge, node, own->acked);
}

/* A leader's snapshot replaced the state: all up to index is durable, whatever stood there before,
 * and what came after stays only if it goes on from there. */
static inline void judge_installed(struct judge *judge, octo_node_id id,
                                   const struct octo_node *node, octo_index index)
{
    struct judge_node *own = &judge->nodes[id];
    struct octo_node_view view;

    octo_node_look(node, &view);
    judge_rule(judge, id, index <= judge->committed_max, "a snapshot of what is not committed");
    judge_rule(judge, id, judge_chain(judge, node, index) == judge->committed[index].chain,
               "a snapshot of another log");
    if (own->acked > index && own->acked <= view.last)
        return;
    own->acked = index;
    own->acked_chain = judge_chain(judge, node, index);
}

static inline void judge_ready(struct judge *judge, octo_node_id id, const struct octo_node *node,
                               octo_term term, octo_node_id vote)
{
    struct judge_node *own = &judge->nodes[id];

    own->saved_term = term;
    own->saved_vote = vote;
    judge_rule(judge, id, term >= own->promised_term, "recovery: a promised term is forgotten");
    judge_rule(judge, id,
               term > own->promised_term || own->promised_vote == 0 || vote == own->promised_vote,
               "recovery: a promised vote is forgotten");
    judge_rule(judge, id, judge_chain(judge, node, own->acked) == own->acked_chain,
               "recovery: an acknowledged entry is lost");
}

static inline void judge_entry(struct judge *judge, octo_node_id id, const struct octo_entry *entry)
{
    uint64_t at = octo_mix(entry->index ^ octo_mix(entry->term));

    for (;; at++) {
        struct judge_entry *seen = &judge->seen[at % JUDGE_SEEN];
        if (seen->index == 0)
            *seen = (struct judge_entry){entry->index, entry->term, entry->chain};
        if (seen->index != entry->index || seen->term != entry->term)
            continue;
        judge_rule(judge, id, seen->chain == entry->chain,
                   "log matching: same index and term, another prefix");
        return;
    }
}

static inline void judge_append(struct judge *judge, octo_node_id id, const struct octo_node *node,
                                octo_index first, octo_index last)
{
    struct octo_entry entry;

    for (octo_index index = first; index <= last; index++) {
        if (octo_node_entry(node, index, &entry))
            judge_entry(judge, id, &entry);
        else
            judge_rule(judge, id, false, "an appended entry is not there");
    }
}

static inline void judge_commit(struct judge *judge, octo_node_id id, const struct octo_node *node,
                                octo_index from, octo_index to)
{
    judge_rule(judge, id, from < to, "commit monotone");
    judge_rule(judge, id, to < JUDGE_ENTRIES, "too many entries for the judge");
    for (octo_index index = from + 1; index <= to && index < JUDGE_ENTRIES; index++) {
        const uint64_t chain = judge_chain(judge, node, index);
        if (index > judge->committed_max) {
            judge->committed_max = index;
            judge->committed[index].chain = chain;
        }
        judge_rule(judge, id, chain != 0 && judge->committed[index].chain == chain,
                   "state machine safety: another entry is committed here");
    }
}

/* ---- The step ------------------------------------------------------------------------------ */

static inline void judge_send(struct judge *judge, octo_node_id id, const struct octo_node *node,
                              const uint8_t *bytes, uint32_t size)
{
    struct octo_message message;

    if (octo_message_decode(bytes, size, judge->cluster_id, &message) != OCTO_ERR_OK) {
        judge_rule(judge, id, false, "a message that does not decode");
        return;
    }
    if (message.type == OCTO_MESSAGE_VOTE_REQUEST)
        judge_vote(judge, id, message.term, id);
    if (message.type == OCTO_MESSAGE_VOTE_RESPONSE && message.vote_response.granted)
        judge_vote(judge, id, message.term, message.to);
    if (message.type == OCTO_MESSAGE_APPEND_RESPONSE && message.append_response.granted)
        judge_ack(judge, id, node, &message, message.append_response.index);
    if (message.type == OCTO_MESSAGE_SNAPSHOT_RESPONSE && message.snapshot_response.installed)
        judge_ack(judge, id, node, &message, message.snapshot_response.index);
    if (message.type == OCTO_MESSAGE_APPEND_REQUEST)
        judge_rule(judge, id, message.term < JUDGE_TERMS && judge->leaders[message.term] == id,
                   "an append request by one who does not lead its term");
}

static inline void judge_trace(struct judge *judge, octo_node_id id, const struct octo_node *node,
                               const struct octo_trace *trace)
{
    const uint64_t *words = trace->words;

    if (trace->kind == OCTO_TRACE_ROLE && words[1] == OCTO_ROLE_LEADER)
        judge_leader(judge, id, node, words[2]);
    if (trace->kind == OCTO_TRACE_VOTE_SAVED) {
        judge->nodes[id].saved_term = words[0];
        judge->nodes[id].saved_vote = (octo_node_id)words[1];
    }
    if (trace->kind == OCTO_TRACE_READY)
        judge_ready(judge, id, node, words[0], (octo_node_id)words[1]);
    if (trace->kind == OCTO_TRACE_APPEND)
        judge_append(judge, id, node, words[0], words[1]);
    if (trace->kind == OCTO_TRACE_TRUNCATE)
        judge_truncate(judge, id, node, words[0]);
    if (trace->kind == OCTO_TRACE_SNAPSHOT_INSTALLED)
        judge_installed(judge, id, node, words[0]);
    if (trace->kind == OCTO_TRACE_COMMIT)
        judge_commit(judge, id, node, words[0], words[1]);
}

/* judge_step looks at what one step of one node emitted, right after it. */
static inline void judge_step(struct judge *judge, octo_node_id id, const struct octo_node *node,
                              const struct octo_effects *effects)
{
    for (uint32_t i = 0; i < effects->count; i++) {
        const struct octo_effect *effect = &effects->items[i];
        if (effect->kind == OCTO_EFFECT_TRACE)
            judge_trace(judge, id, node, &effect->trace);
        if (effect->kind == OCTO_EFFECT_SEND)
            judge_send(judge, id, node, effect->send.bytes, effect->send.size);
        if (effect->kind == OCTO_EFFECT_HALT)
            judge_rule(judge, id, false, "a node halted");
    }
}

#endif
