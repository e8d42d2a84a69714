#include "kv_host.h"

static struct host host_of_three(void)
{
    struct host host = host_new(8192, 0);
    static const char *const keys[] = {"b", "a", "ab"};
    for (size_t i = 0; i < 3; i++) {
        const struct octo_kv_command set = text_command(OCTO_KV_SET, keys[i], "value", "");
        apply(&host, &set);
    }
    return host;
}

Test(kv_snapshot, snapshot_is_in_key_order)
{
    static const char expected[] = "\001\000\005\000\000\000avalue"
                                   "\002\000\005\000\000\000abvalue"
                                   "\001\000\005\000\000\000bvalue";
    struct host host = host_of_three();
    uint32_t size;
    uint8_t *bytes = snapshot_of(&host, 7, &size);
    cr_assert_eq(size, 24 + sizeof expected - 1);
    cr_assert_eq(memcmp(bytes, "OCKV\001\000\000\000\003\000\000\000", 12), 0);
    cr_assert_eq(octo_get_u64(bytes + 16), digest_of(&host));
    cr_assert_eq(memcmp(bytes + 24, expected, sizeof expected - 1), 0);
    free(bytes);
    host_free(&host);
}

Test(kv_snapshot, empty_things_come_back)
{
    struct host host = host_new(4096, 0);
    struct octo_kv_command set = text_command(OCTO_KV_SET, "", "", "");
    for (uint32_t round = 0; round < 2; round++) {
        for (uint32_t piece = 1; piece < 40; piece++) {
            struct host restored = host_new(4096, 0);
            uint32_t size;
            uint8_t *bytes = snapshot_of(&host, piece, &size);
            cr_assert_eq(restore_in(&restored, bytes, size, piece), OCTO_ERR_OK);
            cr_assert_eq(digest_of(&restored), digest_of(&host));
            octo_kv_check(&restored.context);
            free(bytes);
            host_free(&restored);
        }
        apply(&host, &set);
    }
    host_free(&host);
}

/* No damage passes: not a flipped bit, not a missing or an additional byte, in whatever pieces. */
Test(kv_snapshot, damaged_snapshots_are_refused)
{
    struct host host = host_of_three();
    uint32_t size;
    uint8_t *bytes = snapshot_of(&host, 1000, &size);

    for (uint32_t piece = 1; piece <= 1000; piece = piece * 3 + 1) {
        for (uint32_t bit = 0; bit < 8 * size; bit++) {
            struct host target = host_new(8192, 0);
            bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
            const enum octo_err err = restore_in(&target, bytes, size, piece);
            cr_assert(err == OCTO_ERR_MALFORMED || err == OCTO_ERR_FULL, "bit %u", bit);
            bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
            cr_assert_eq(octo_machine_kv.restore(&target.context, bytes, size, true),
                         OCTO_ERR_MALFORMED, "a failed restore stays failed");
            host_free(&target);
        }
        for (uint32_t cut = 0; cut <= size + 1; cut++) {
            struct host target = host_new(8192, 0);
            bytes[size] = 0;
            const enum octo_err err = restore_in(&target, bytes, cut, piece);
            cr_assert_eq(err == OCTO_ERR_OK, cut == size, "cut at %u", cut);
            host_free(&target);
        }
    }
    struct host small = host_new(512, 0);
    struct octo_kv_command set = text_command(OCTO_KV_SET, "c", "value", "");
    for (uint8_t i = 0; i < 10; i++) {
        const uint8_t key = i;
        set.key = &key;
        apply(&host, &set);
    }
    free(bytes);
    bytes = snapshot_of(&host, 1000, &size);
    cr_assert_eq(restore_in(&small, bytes, size, 10), OCTO_ERR_FULL);
    free(bytes);
    host_free(&small);
    host_free(&host);
}

/* Sound entries in an order that no snapshot has; their digests add up all the same. */
Test(kv_snapshot, entries_out_of_order_or_twice_are_refused)
{
    struct host host = host_of_three();
    uint32_t size;
    uint8_t *bytes = snapshot_of(&host, 1000, &size);
    uint8_t *const first = bytes + 24;
    uint8_t *const last = bytes + size - 12;
    uint8_t swap[12];

    for (uint32_t twice = 0; twice < 2; twice++) {
        struct host target = host_new(8192, 0);
        memcpy(swap, first, sizeof swap);
        memcpy(first, last, sizeof swap);
        if (twice == 0)
            memcpy(last, swap, sizeof swap);
        cr_assert_eq(restore_in(&target, bytes, size, 1000), OCTO_ERR_MALFORMED);
        host_free(&target);
    }
    free(bytes);
    host_free(&host);
}
