/* The judge: what was promised, and whether it holds. */
#include "tools/sweep/sweep.h"

#include <stdarg.h>

#define REPLAY_BYTES 65536u

void sweep_judge_break(struct sweep_world *world, enum sweep_verdict verdict, const char *format,
                       ...)
{
    va_list list;

    if (world->judge.verdict != SWEEP_HELD)
        return;
    world->judge.verdict = verdict;
    world->over = true;
    va_start(list, format);
    (void)vsnprintf(world->judge.why, sizeof world->judge.why, format, list);
    va_end(list);
    sweep_say(world, 0, "==== %s ====", world->judge.why);
}

void sweep_judge_init(struct sweep_world *world)
{
    struct sweep_judge *judge = &world->judge;

    judge->memory = octo_arena_alloc(&world->arena, REPLAY_BYTES);
    octo_assert(judge->memory != NULL);
    judge->machine.allocator =
        octo_allocator_init(judge->memory, world->hosts[0].config.machine_memory_bytes);
    const enum octo_err err = octo_machine_kv.init(&judge->machine);
    octo_assert(err == OCTO_ERR_OK);
    judge->digests[0] = octo_machine_kv.digest(&judge->machine);
}

/* ---- The replay ------------------------------------------------------------------------------ */

/* Each client sends a command only when the one before is acknowledged, so that in the log a
 * sequence is the next one or one that was there before. */
static void replay(struct sweep_world *world, const struct octo_entry *entry)
{
    struct sweep_judge *judge = &world->judge;
    uint8_t bytes[64];
    struct octo_buffer result = {.bytes = bytes, .capacity = sizeof bytes};

    if (entry->kind != OCTO_ENTRY_COMMAND)
        return;
    uint64_t *applied = &judge->applied[entry->client - 1];
    if (entry->sequence <= *applied)
        return;
    if (entry->sequence != *applied + 1)
        sweep_judge_break(world, SWEEP_LOSS, "client %llu: command %llu is followed by %llu",
                          (unsigned long long)entry->client, (unsigned long long)*applied,
                          (unsigned long long)entry->sequence);
    *applied = entry->sequence;
    octo_machine_kv.apply(&judge->machine, entry->command, entry->size, &result);
}

static void applied_entry(struct sweep_world *world, struct sweep_host *host, octo_index index)
{
    struct sweep_judge *judge = &world->judge;
    struct octo_entry entry;

    if (!octo_node_entry(host->node, index, &entry)) {
        sweep_judge_break(world, SWEEP_BROKEN, "n%u applied entry %llu, and has it no more",
                          host->id, (unsigned long long)index);
        return;
    }
    if (index <= judge->top) {
        if (entry.chain != judge->chains[index])
            sweep_judge_break(world, SWEEP_LOSS, "n%u: entry %llu was committed as another",
                              host->id, (unsigned long long)index);
        return;
    }
    if (index != judge->top + 1) {
        sweep_judge_break(world, SWEEP_BROKEN, "n%u applied entry %llu; the last one was %llu",
                          host->id, (unsigned long long)index, (unsigned long long)judge->top);
        return;
    }
    octo_assert(index < SWEEP_LOG_MAX);
    judge->top = index;
    judge->chains[index] = entry.chain;
    replay(world, &entry);
    judge->digests[index] = octo_machine_kv.digest(&judge->machine);
}

/* ---- Terms, votes, leaders ------------------------------------------------------------------- */

static void promised(struct sweep_world *world, struct sweep_host *host, octo_term term,
                     octo_node_id vote, const char *when)
{
    const bool back =
        term < host->saved_term ||
        (term == host->saved_term && host->saved_vote != 0 && vote != host->saved_vote);

    if (back)
        sweep_judge_break(world, SWEEP_LOSS,
                          "n%u %s with term %llu and vote %u, and had promised %llu and %u",
                          host->id, when, (unsigned long long)term, vote,
                          (unsigned long long)host->saved_term, host->saved_vote);
    host->saved_term = term;
    host->saved_vote = vote;
}

static void led(struct sweep_world *world, const struct sweep_host *host, octo_term term)
{
    octo_assert(term < SWEEP_TERMS_MAX);
    octo_node_id *leader = &world->judge.leaders[term];
    if (*leader != 0 && *leader != host->id)
        sweep_judge_break(world, SWEEP_DIVERGED, "term %llu has two leaders, n%u and n%u",
                          (unsigned long long)term, *leader, host->id);
    *leader = host->id;
}

static void heard(struct sweep_world *world, struct sweep_host *host,
                  const struct octo_trace *trace)
{
    const uint64_t *words = trace->words;

    if (trace->kind == OCTO_TRACE_READY) {
        promised(world, host, words[0], (octo_node_id)words[1], "starts");
        host->formatted = true;
        host->halts = 0;
        host->ready_by = OCTO_NEVER;
    } else if (trace->kind == OCTO_TRACE_VOTE_SAVED) {
        promised(world, host, words[0], (octo_node_id)words[1], "saves");
    } else if (trace->kind == OCTO_TRACE_ROLE && words[1] == OCTO_ROLE_LEADER) {
        led(world, host, words[2]);
    } else if (trace->kind == OCTO_TRACE_APPLY) {
        applied_entry(world, host, words[0]);
    } else if (trace->kind == OCTO_TRACE_RECOVERING) {
        host->recovering = true;
    } else if (trace->kind == OCTO_TRACE_RECOVERED) {
        host->recovering = false;
    }
}

/* ---- A step ---------------------------------------------------------------------------------- */

static void compare(struct sweep_world *world, const struct sweep_host *host)
{
    const struct sweep_judge *judge = &world->judge;
    struct octo_node_view view;

    octo_node_look(host->node, &view);
    if (view.role == OCTO_ROLE_STARTING || view.role == OCTO_ROLE_HALTED)
        return;
    const uint64_t digest = octo_node_digest(host->node, &octo_machine_kv);
    if (digest == 0)
        return;
    if (view.applied > judge->top)
        sweep_judge_break(world, SWEEP_DIVERGED, "n%u is at entry %llu, which nobody applied",
                          host->id, (unsigned long long)view.applied);
    else if (digest != judge->digests[view.applied])
        sweep_judge_break(world, SWEEP_DIVERGED, "n%u: another state than the replay's at %llu",
                          host->id, (unsigned long long)view.applied);
}

void sweep_judge_step(struct sweep_world *world, struct sweep_host *host,
                      const struct octo_effects *effects)
{
    for (uint32_t i = 0; i < effects->count; i++) {
        if (effects->items[i].kind == OCTO_EFFECT_TRACE)
            heard(world, host, &effects->items[i].trace);
    }
    compare(world, host);
}

void sweep_judge_acknowledged(struct sweep_world *world, octo_client_id client, uint64_t sequence)
{
    world->judge.acked[client - 1] = sequence;
    if (world->judge.applied[client - 1] != sequence)
        sweep_judge_break(world, SWEEP_LOSS,
                          "client %llu: command %llu is acknowledged and not applied",
                          (unsigned long long)client, (unsigned long long)sequence);
}

/* ---- The end --------------------------------------------------------------------------------- */

void sweep_judge_end(struct sweep_world *world)
{
    const struct sweep_judge *judge = &world->judge;

    for (uint32_t i = 0; i < world->scenario->nodes; i++) {
        octo_simdisk_check(world->hosts[i].disk);
        if (world->hosts[i].up)
            octo_node_check(world->hosts[i].node);
    }
    if (judge->verdict != SWEEP_HELD)
        return;
    for (uint32_t at = 0; at < SWEEP_CLIENTS; at++) {
        if (judge->applied[at] != world->clients[at].sequence ||
            judge->acked[at] != world->clients[at].sequence)
            sweep_judge_break(world, SWEEP_LOSS,
                              "client %u: %llu sent, %llu acknowledged, %llu "
                              "applied",
                              at + 1, (unsigned long long)world->clients[at].sequence,
                              (unsigned long long)judge->acked[at],
                              (unsigned long long)judge->applied[at]);
    }
}
