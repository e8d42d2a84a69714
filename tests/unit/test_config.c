#include "kernel/config.h"
#include "kernel/trace.h"

#include <criterion/criterion.h>

static struct octo_config small(void)
{
    struct octo_config config;
    octo_config_small(&config, 7, 1, 3, 1000);
    return config;
}

Test(config, small_is_consistent_whatever_its_size)
{
    static const uint32_t operations[] = {0, 1, 1000, 1000000, UINT32_MAX};
    for (uint32_t nodes = 1; nodes <= OCTO_NODES_MAX; nodes++) {
        for (size_t i = 0; i < sizeof operations / sizeof operations[0]; i++) {
            struct octo_config config;
            octo_config_small(&config, 1, nodes, nodes, operations[i]);
            cr_assert_eq(octo_config_check(&config), OCTO_ERR_OK, "nodes %u operations %u", nodes,
                         operations[i]);
            cr_assert_geq(config.log_entries_max, octo_min_u64(operations[i], 1u << 22));
        }
    }
}

/* Each value by itself makes a good configuration bad, or leaves it good. */
Test(config, every_limit_is_checked)
{
    enum { GOOD = 0, BAD = 1 };
    unsigned tried = 0;

#define TRY(field, value, bad)                                                         \
    do {                                                                               \
        struct octo_config config = small();                                           \
        config.field = (value);                                                        \
        cr_assert_eq(octo_config_check(&config), (bad) ? OCTO_ERR_RANGE : OCTO_ERR_OK, \
                     #field " = " #value);                                             \
        tried++;                                                                       \
    } while (0)

    TRY(cluster_id, 0, BAD);
    TRY(cluster_id, UINT64_MAX, GOOD);
    TRY(node_id, 0, BAD);
    TRY(node_id, 3, GOOD);
    TRY(node_id, 4, BAD);
    TRY(node_count, 0, BAD);
    TRY(node_count, OCTO_NODES_MAX, GOOD);
    TRY(node_count, OCTO_NODES_MAX + 1, BAD);
    TRY(election_timeout_ns, 0, BAD);
    TRY(election_timeout_ns, 90 * OCTO_MS, BAD);
    TRY(election_timeout_ns, 90 * OCTO_MS + 1, GOOD);
    TRY(election_timeout_ns, OCTO_NEVER, BAD);
    TRY(heartbeat_ns, 0, BAD);
    TRY(heartbeat_ns, 50 * OCTO_MS, BAD);
    TRY(heartbeat_ns, UINT64_MAX / 3 + 1, BAD); /* three times that wraps */
    TRY(disk_retry_ns, 0, BAD);
    TRY(command_bytes_max, 0, BAD);
    TRY(command_bytes_max, 16384 - 1024, GOOD);
    TRY(command_bytes_max, 16384 - 1023, BAD);
    TRY(message_bytes_max, 4096 + 511, BAD);
    TRY(message_bytes_max, UINT32_MAX, BAD);
    TRY(append_entries_max, 0, BAD);
    TRY(append_entries_max, 65536, GOOD);
    TRY(append_entries_max, 65537, BAD);
    TRY(inflight_max, 0, BAD);
    TRY(inflight_max, 64, GOOD);
    TRY(inflight_max, 65, BAD);
    TRY(apply_max, 0, BAD);
    TRY(log_entries_max, 0, BAD);
    TRY(log_bytes_max, 4095, BAD);
    TRY(sector_bytes, 0, BAD);
    TRY(sector_bytes, 256, BAD);
    TRY(sector_bytes, 768, BAD);
    TRY(sector_bytes, 4096, GOOD);
    TRY(flush_bytes_max, 0, BAD);
    TRY(flush_bytes_max, 4096 + 512, BAD);
    TRY(flush_bytes_max, 4096 + 1024, GOOD);
    TRY(flush_bytes_max, 8192 + 1, BAD);
    TRY(read_bytes, 16 * 1024 - 512, BAD);
    TRY(read_bytes, 16 * 1024 + 511, BAD);
    TRY(read_bytes, 16 * 1024 + 512, GOOD);
    TRY(sessions_max, 0, BAD);
    TRY(sessions_max, UINT32_MAX, BAD);
    TRY(result_bytes_max, 0, BAD);
    TRY(machine_memory_bytes, 0, BAD);
    TRY(machine_memory_bytes, 65536 + 8, BAD);
    TRY(pre_vote, false, GOOD);
    TRY(check_quorum, false, GOOD);
#undef TRY
    cr_assert_eq(tried, 48);
}

Test(config, names_are_there_and_differ)
{
    for (uint32_t i = 0; i < OCTO_MARK_COUNT; i++) {
        const char *text = octo_mark_text((enum octo_mark)i);
        cr_assert_gt(strlen(text), 0);
        for (uint32_t j = 0; j < i; j++)
            cr_assert_str_neq(text, octo_mark_text((enum octo_mark)j));
    }
    for (uint32_t i = 0; i < OCTO_TRACE_COUNT; i++) {
        const char *text = octo_trace_text((enum octo_trace_kind)i);
        cr_assert_gt(strlen(text), 0);
        for (uint32_t j = 0; j < i; j++)
            cr_assert_str_neq(text, octo_trace_text((enum octo_trace_kind)j));
    }
    cr_assert_str_eq(octo_trace_word_text(OCTO_TRACE_COMMIT, 1), "to");
    cr_assert_str_eq(octo_trace_word_text(OCTO_TRACE_COMMIT, 3), "");
    cr_assert_str_eq(octo_trace_word_text(OCTO_TRACE_COMMIT, 4), "");
    cr_assert_str_eq(octo_trace_word_text((enum octo_trace_kind)999, 0), "");
    cr_assert_str_eq(octo_trace_text((enum octo_trace_kind)999), "unknown");
    cr_assert_str_eq(octo_mark_text((enum octo_mark)999), "unknown");
}

Test(config, errors_have_texts)
{
    unsigned count = 0;
#define ERR_CHECK(name, value, text)                        \
    cr_assert_str_eq(octo_err_text(OCTO_ERR_##name), text); \
    cr_assert((value) <= 0);                                \
    count++;
    OCTO_ERRORS(ERR_CHECK)
#undef ERR_CHECK
    cr_assert_geq(count, 21);
    cr_assert_str_eq(octo_err_text((enum octo_err) - 9999), "unknown error");
}
