/* The classic episodes of Raft, each a script; the golden files tell what the kernel does in them.
 *
 * usage: octo-episodes NAME   writes the story of one episode to standard output
 *        octo-episodes        lists the episodes
 */
#include "tests/golden/cluster.h"

/* elect makes node the leader: everybody else stays still. */
static void elect(octo_node_id node)
{
    elapse();
    timeout(node);
    deliver_all();
}

static void election(void)
{
    cluster_open(3, 64, stdout);
    say("Nobody leads. n1's timer is the first to run out: it asks whether it could win "
        "(pre-vote),");
    say("then votes for itself, makes that vote durable, and only then asks for votes.");
    elect(1);
    show();
    say("A command is appended, replicated, made durable by a majority, committed, applied, "
        "answered.");
    set(1, "x", "1");
    deliver_all();
    say("The next heartbeat tells the followers what is committed.");
    timeout(1);
    deliver_all();
    show();
}

static void split_vote(void)
{
    cluster_open(4, 64, stdout);
    say("n1 and n2 campaign at the same moment; each wins the pre-vote, each gets one other vote.");
    elapse();
    timeout(1);
    timeout(2);
    for (octo_node_id voter = 3; voter <= 4; voter++) {
        for (octo_node_id candidate = 1; candidate <= 2; candidate++) {
            deliver(candidate, voter);
        }
    }
    deliver(1, 2);
    deliver(2, 1);
    say("The pre-votes come back to both.");
    for (octo_node_id candidate = 1; candidate <= 2; candidate++) {
        deliver(3, candidate);
        deliver(4, candidate);
        deliver(3 - candidate, candidate);
    }
    say("n3 hears n1 first, n4 hears n2 first: two votes each, and three are needed.");
    deliver(1, 3);
    deliver(2, 4);
    deliver_all();
    show();
    say("Randomised timers break the tie: n1 runs out first and wins the next term.");
    elect(1);
    show();
}

static void log_repair(void)
{
    cluster_open(3, 64, stdout);
    say("n1 leads and commits one command.");
    elect(1);
    set(1, "x", "1");
    deliver_all();
    say("n1 is cut off; the three commands that it still accepts reach nobody.");
    cut(1);
    set(1, "x", "2");
    set(1, "x", "3");
    set(1, "x", "4");
    drop_all();
    say("The others elect n2, which commits a command of its own.");
    elect(2);
    set(2, "y", "5");
    deliver_all();
    show();
    say("n1 comes back: its tail conflicts, is refused, found, truncated and replaced.");
    join(1);
    timeout(2);
    deliver_all();
    show();
}

static void figure_8(void)
{
    cluster_open(5, 1, stdout);
    say("n1 leads; everybody has entry 1. Then its command, entry 2, reaches only n2.");
    elect(1);
    set(1, "x", "1");
    deliver(1, 2);
    drop_all();
    crash(1);
    say("(b) n5 wins the next term with n3 and n4, and writes its own entry 2; nobody gets it.");
    elapse();
    timeout(5);
    deliver(5, 3);
    deliver(5, 4);
    deliver(3, 5);
    deliver(4, 5);
    drop(5, 2);
    deliver(5, 3);
    deliver(5, 4);
    deliver(3, 5);
    deliver(4, 5);
    drop_all();
    crash(5);
    show();
    say("(c) n1 is back and will bring its old entry 2 to n3: a majority holds it.");
    restart(1);
    say("Its first pre-vote is refused: from n3 and n4 it learns that there was a term 2.");
    elapse();
    timeout(1);
    deliver_all();
    say("The second one is granted.");
    timeout(1);
    for (octo_node_id voter = 2; voter <= 4; voter++) {
        deliver(1, voter);
        deliver(voter, 1);
    }
    for (octo_node_id voter = 2; voter <= 4; voter++) {
        deliver(1, voter);
        deliver(voter, 1);
    }
    say("n1 finds where n3's log ends and sends entry 2. Now it is on n1, n2 and n3, a majority, "
        "but");
    say("of an older term than n1's: it must not be committed by counting.");
    deliver(1, 3);
    deliver(3, 1);
    deliver(1, 3);
    deliver(3, 1);
    drop(1, 2);
    drop_all();
    show();
    say("(d) n1 is gone again; n5, whose entry 2 is of a higher term, may win and replace it.");
    crash(1);
    restart(5);
    drop_all();
    elect(5);
    say("n5 has learned of term 3; now it wins term 4, and n2 and n3 replace their entry 2.");
    elect(5);
    timeout(5);
    deliver_all();
    show();
    say("Nothing that anybody was told has been lost: entry 2 of n1 had never been committed.");
}

static void restart_episode(void)
{
    cluster_open(3, 64, stdout);
    say("n1 leads and commits two commands.");
    elect(1);
    set(1, "x", "1");
    set(1, "y", "2");
    deliver_all();
    timeout(1);
    deliver_all();
    show();
    say("Power fails everywhere. Each node reads identity, vote and log, and marks its log anew.");
    drop_all();
    crash(1);
    crash(2);
    crash(3);
    restart(1);
    restart(2);
    restart(3);
    show();
    say("What is committed becomes known again when a leader commits an entry of its own term.");
    elect(3);
    timeout(3);
    deliver_all();
    show();
}

static const struct {
    const char *name;
    void (*run)(void);
} episodes[] = {
    {"election", election}, {"split-vote", split_vote},   {"log-repair", log_repair},
    {"figure-8", figure_8}, {"restart", restart_episode},
};

int main(int argc, char **argv)
{
    for (size_t i = 0; i < sizeof episodes / sizeof episodes[0]; i++) {
        if (argc < 2) {
            puts(episodes[i].name);
        } else if (strcmp(argv[1], episodes[i].name) == 0) {
            episodes[i].run();
            cluster_close();
            return 0;
        }
    }
    if (argc >= 2) {
        fprintf(stderr, "octo-episodes: no episode '%s'; without an argument they are listed\n",
                argv[1]);
        return 2;
    }
    return 0;
}
