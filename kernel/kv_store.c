#include "kernel/kv_store.h"

#define PRIORITY_SEED 0x6b767072696f7269ull

/* ---- The treap ------------------------------------------------------------------------------- */

/* Order of the entry's key and key: by bytes, a prefix before what it begins. */
static int key_compare(const struct octo_allocator *allocator, kv_at at, struct kv_bytes key)
{
    const uint32_t key_size = octo_kv_entry_at(allocator, at)->key_size;
    const struct kv_bytes common = {key.at, (uint32_t)octo_min_u64(key_size, key.size)};
    const int order = octo_kv_chain_compare(allocator, at, 0, common);
    if (order != 0 || key_size == key.size)
        return order;
    return key_size < key.size ? -1 : 1;
}

static uint32_t image_of_one(const struct kv_entry *entry)
{
    return KV_ENTRY_HEADER_BYTES + entry->key_size + entry->value_size;
}

static uint32_t image_of_subtree(const struct octo_allocator *allocator, kv_at at)
{
    return at == 0 ? 0 : octo_kv_entry_at(allocator, at)->image_bytes;
}

/* Whether a stands above b. Equal hashes are ordered by key, so that the shape stays unique;
 * b_before_a says how their keys compare. */
static bool stands_above(const struct kv_entry *a, const struct kv_entry *b, bool b_before_a)
{
    if (a->priority != b->priority)
        return a->priority > b->priority;
    return !b_before_a;
}

/* Adds delta (modulo 2^32) to the image size of every entry on the way to key, its own included. */
static void path_add(const struct octo_allocator *allocator, const struct kv_store *store,
                     struct kv_bytes key, uint32_t delta)
{
    kv_at at = store->root;
    while (at != 0) {
        struct kv_entry *entry = octo_kv_entry_at(allocator, at);
        const int order = key_compare(allocator, at, key);
        entry->image_bytes += delta;
        if (order == 0)
            return;
        at = order > 0 ? entry->left : entry->right;
    }
    octo_assert(at != 0);
}

/* Splits the subtree at `from` into the keys below `key`, which become the new entry's left, and
 * those above, its right. First the sizes, on the way down, then the links on a second way. */
static void treap_split(const struct octo_allocator *allocator, kv_at from, struct kv_entry *fresh,
                        struct kv_bytes key)
{
    uint32_t below = 0;
    for (kv_at at = from; at != 0;) {
        const struct kv_entry *entry = octo_kv_entry_at(allocator, at);
        if (key_compare(allocator, at, key) > 0) {
            at = entry->left;
            continue;
        }
        below += image_of_one(entry) + image_of_subtree(allocator, entry->left);
        at = entry->right;
    }
    uint32_t above = image_of_subtree(allocator, from) - below;
    kv_at *left = &fresh->left;
    kv_at *right = &fresh->right;
    for (kv_at at = from; at != 0;) {
        struct kv_entry *entry = octo_kv_entry_at(allocator, at);
        if (key_compare(allocator, at, key) > 0) {
            entry->image_bytes = above;
            above -= image_of_one(entry) + image_of_subtree(allocator, entry->right);
            *right = at;
            right = &entry->left;
            at = entry->left;
        } else {
            entry->image_bytes = below;
            below -= image_of_one(entry) + image_of_subtree(allocator, entry->left);
            *left = at;
            left = &entry->right;
            at = entry->right;
        }
    }
    *left = 0;
    *right = 0;
    octo_assert(below == 0);
    octo_assert(above == 0);
}

/* Enters the entry at `at`, whose key is key and is not in the treap. */
static void treap_insert(const struct octo_allocator *allocator, struct kv_store *store, kv_at at,
                         struct kv_bytes key)
{
    struct kv_entry *fresh = octo_kv_entry_at(allocator, at);
    const uint32_t own = image_of_one(fresh);
    kv_at *link = &store->root;

    while (*link != 0) {
        struct kv_entry *entry = octo_kv_entry_at(allocator, *link);
        const int order = key_compare(allocator, *link, key);
        octo_assert(order != 0);
        if (!stands_above(entry, fresh, order > 0))
            break;
        entry->image_bytes += own;
        link = order > 0 ? &entry->left : &entry->right;
    }
    fresh->image_bytes = own + image_of_subtree(allocator, *link);
    treap_split(allocator, *link, fresh, key);
    *link = at;
    store->count++;
}

/* One treap of two, all keys of left being below all of right. */
static kv_at treap_merge(const struct octo_allocator *allocator, kv_at left, kv_at right)
{
    kv_at root = 0;
    kv_at *link = &root;

    while (left != 0 && right != 0) {
        struct kv_entry *low = octo_kv_entry_at(allocator, left);
        struct kv_entry *high = octo_kv_entry_at(allocator, right);
        if (stands_above(low, high, false)) {
            low->image_bytes += high->image_bytes;
            *link = left;
            link = &low->right;
            left = low->right;
        } else {
            high->image_bytes += low->image_bytes;
            *link = right;
            link = &high->left;
            right = high->left;
        }
    }
    *link = left != 0 ? left : right;
    return root;
}

static void treap_remove(const struct octo_allocator *allocator, struct kv_store *store, kv_at at,
                         struct kv_bytes key)
{
    struct kv_entry *gone = octo_kv_entry_at(allocator, at);
    const uint32_t own = image_of_one(gone);
    kv_at *link = &store->root;

    while (*link != at) {
        struct kv_entry *entry = octo_kv_entry_at(allocator, *link);
        const int order = key_compare(allocator, *link, key);
        octo_assert(order != 0);
        entry->image_bytes -= own;
        link = order > 0 ? &entry->left : &entry->right;
    }
    *link = treap_merge(allocator, gone->left, gone->right);
    octo_assert(store->count > 0);
    store->count--;
}

/* ---- The store ------------------------------------------------------------------------------- */

void octo_kv_store_init(struct kv_store *store, const struct octo_allocator *allocator)
{
    octo_assert(allocator->used <= allocator->size);
    *store = (struct kv_store){.pool.max = (allocator->size - allocator->used) / KV_CELL_BYTES};
}

kv_at octo_kv_store_find(const struct octo_allocator *allocator, const struct kv_store *store,
                         struct kv_bytes key)
{
    kv_at at = store->root;
    while (at != 0) {
        const int order = key_compare(allocator, at, key);
        if (order == 0)
            return at;
        const struct kv_entry *entry = octo_kv_entry_at(allocator, at);
        at = order > 0 ? entry->left : entry->right;
    }
    return 0;
}

/* Makes the value of an entry of the treap value_size bytes long, changes that part of it which
 * stands from offset on, and brings sizes and digest up to date. */
static void entry_change(struct octo_allocator *allocator, struct kv_store *store, kv_at at,
                         uint32_t offset, struct kv_bytes bytes)
{
    uint8_t key_copy[OCTO_KV_KEY_MAX];
    struct kv_entry *entry = octo_kv_entry_at(allocator, at);
    const uint32_t value_size = offset + bytes.size;
    const struct kv_bytes key = {key_copy, entry->key_size};

    if (value_size != entry->value_size) {
        octo_kv_chain_read(allocator, at, 0, key_copy, key.size);
        path_add(allocator, store, key, value_size - entry->value_size);
        octo_kv_chain_resize(allocator, &store->pool, at, octo_kv_cells_for(key.size + value_size));
        entry->value_size = value_size;
    }
    octo_kv_chain_write(allocator, at, key.size + offset, bytes);
    store->digest -= entry->digest;
    entry->digest = octo_kv_chain_digest(allocator, at);
    store->digest += entry->digest;
}

/* A chain for a key and a value, not yet in the treap. */
static kv_at entry_new(struct octo_allocator *allocator, struct kv_store *store, uint32_t key_size,
                       uint32_t value_size)
{
    octo_assert(key_size <= OCTO_KV_KEY_MAX);
    octo_assert(value_size <= OCTO_KV_VALUE_MAX);
    const kv_at at = octo_kv_chain_new(allocator, &store->pool);
    struct kv_entry *entry = octo_kv_entry_at(allocator, at);
    entry->key_size = (uint16_t)key_size;
    entry->value_size = value_size;
    octo_kv_chain_resize(allocator, &store->pool, at, octo_kv_cells_for(key_size + value_size));
    return at;
}

/* Enters a chain whose bytes are complete. */
static void entry_enter(const struct octo_allocator *allocator, struct kv_store *store, kv_at at,
                        struct kv_bytes key)
{
    struct kv_entry *entry = octo_kv_entry_at(allocator, at);
    entry->priority = (uint32_t)octo_hash(key.at, key.size, PRIORITY_SEED);
    entry->digest = octo_kv_chain_digest(allocator, at);
    store->digest += entry->digest;
    treap_insert(allocator, store, at, key);
}

bool octo_kv_store_set(struct octo_allocator *allocator, struct kv_store *store,
                       struct kv_bytes key, struct kv_bytes value)
{
    const kv_at found = octo_kv_store_find(allocator, store, key);
    const uint32_t cells_then = octo_kv_cells_for(key.size + value.size);

    if (found != 0) {
        const struct kv_entry *entry = octo_kv_entry_at(allocator, found);
        if (!octo_kv_pool_has(&store->pool, octo_kv_cells_for(key.size + entry->value_size),
                              cells_then))
            return false;
        entry_change(allocator, store, found, 0, value);
        return true;
    }
    if (!octo_kv_pool_has(&store->pool, 0, cells_then))
        return false;
    const kv_at at = entry_new(allocator, store, key.size, value.size);
    octo_kv_chain_write(allocator, at, 0, key);
    octo_kv_chain_write(allocator, at, key.size, value);
    entry_enter(allocator, store, at, key);
    return true;
}

bool octo_kv_store_append(struct octo_allocator *allocator, struct kv_store *store, kv_at at,
                          struct kv_bytes bytes)
{
    const struct kv_entry *entry = octo_kv_entry_at(allocator, at);
    const uint32_t size = entry->key_size + entry->value_size;
    octo_assert(bytes.size <= OCTO_KV_VALUE_MAX - entry->value_size);
    if (!octo_kv_pool_has(&store->pool, octo_kv_cells_for(size),
                          octo_kv_cells_for(size + bytes.size)))
        return false;
    entry_change(allocator, store, at, entry->value_size, bytes);
    return true;
}

void octo_kv_store_remove(struct octo_allocator *allocator, struct kv_store *store, kv_at at)
{
    uint8_t key_copy[OCTO_KV_KEY_MAX];
    const struct kv_entry *entry = octo_kv_entry_at(allocator, at);
    const struct kv_bytes key = {key_copy, entry->key_size};

    octo_kv_chain_read(allocator, at, 0, key_copy, key.size);
    store->digest -= entry->digest;
    treap_remove(allocator, store, at, key);
    octo_kv_chain_free(allocator, &store->pool, at);
}

uint32_t octo_kv_value_size(const struct octo_allocator *allocator, kv_at at)
{
    return octo_kv_entry_at(allocator, at)->value_size;
}

void octo_kv_value_read(const struct octo_allocator *allocator, kv_at at, uint32_t offset,
                        uint8_t *out, uint32_t size)
{
    const struct kv_entry *entry = octo_kv_entry_at(allocator, at);
    octo_assert(offset <= entry->value_size);
    octo_assert(size <= entry->value_size - offset);
    octo_kv_chain_read(allocator, at, entry->key_size + offset, out, size);
}

bool octo_kv_value_equals(const struct octo_allocator *allocator, kv_at at, struct kv_bytes value)
{
    const struct kv_entry *entry = octo_kv_entry_at(allocator, at);
    return entry->value_size == value.size &&
           octo_kv_chain_compare(allocator, at, entry->key_size, value) == 0;
}

/* ---- The image ------------------------------------------------------------------------------- */

uint32_t octo_kv_image_bytes(const struct octo_allocator *allocator, const struct kv_store *store)
{
    return image_of_subtree(allocator, store->root);
}

/* The entry whose image holds the byte at *offset, which becomes relative to that entry. */
static kv_at image_find(const struct octo_allocator *allocator, const struct kv_store *store,
                        uint32_t *offset)
{
    kv_at at = store->root;
    while (at != 0) {
        const struct kv_entry *entry = octo_kv_entry_at(allocator, at);
        const uint32_t before = image_of_subtree(allocator, entry->left);
        if (*offset < before) {
            at = entry->left;
            continue;
        }
        *offset -= before;
        if (*offset < image_of_one(entry))
            return at;
        *offset -= image_of_one(entry);
        at = entry->right;
    }
    return 0;
}

uint32_t octo_kv_image_read(const struct octo_allocator *allocator, const struct kv_store *store,
                            uint32_t offset, uint8_t *out, uint32_t size)
{
    const kv_at at = image_find(allocator, store, &offset);
    if (at == 0 || size == 0)
        return 0;
    const struct kv_entry *entry = octo_kv_entry_at(allocator, at);
    uint8_t header[KV_ENTRY_HEADER_BYTES];
    octo_put_u16(header, entry->key_size);
    octo_put_u32(header + 2, entry->value_size);
    uint32_t done = 0;
    if (offset < sizeof header) {
        done = (uint32_t)octo_min_u64(size, sizeof header - offset);
        memcpy(out, header + offset, done);
        offset += done;
        if (offset < sizeof header)
            return done;
    }
    offset -= (uint32_t)sizeof header;
    const uint32_t left = entry->key_size + entry->value_size - offset;
    const uint32_t run = (uint32_t)octo_min_u64(size - done, left);
    octo_kv_chain_read(allocator, at, offset, out + done, run);
    return done + run;
}

kv_at octo_kv_draft_new(struct octo_allocator *allocator, struct kv_store *store, uint32_t key_size,
                        uint32_t value_size)
{
    if (!octo_kv_pool_has(&store->pool, 0, octo_kv_cells_for(key_size + value_size)))
        return 0;
    return entry_new(allocator, store, key_size, value_size);
}

void octo_kv_draft_write(struct octo_allocator *allocator, kv_at at, uint32_t offset,
                         const uint8_t *bytes, uint32_t size)
{
    octo_kv_chain_write(allocator, at, offset, (struct kv_bytes){bytes, size});
}

bool octo_kv_draft_enter(struct octo_allocator *allocator, struct kv_store *store, kv_at at)
{
    uint8_t key_copy[OCTO_KV_KEY_MAX];
    const struct kv_bytes key = {key_copy, octo_kv_entry_at(allocator, at)->key_size};
    kv_at last = store->root;

    octo_kv_chain_read(allocator, at, 0, key_copy, key.size);
    while (last != 0 && octo_kv_entry_at(allocator, last)->right != 0)
        last = octo_kv_entry_at(allocator, last)->right;
    if (last != 0 && key_compare(allocator, last, key) >= 0)
        return false;
    entry_enter(allocator, store, at, key);
    return true;
}

/* ---- Check ----------------------------------------------------------------------------------- */

/* Asserts what must hold between an entry and its children, and returns its number of cells. */
static uint32_t entry_check(const struct octo_allocator *allocator, kv_at at)
{
    const struct kv_entry *entry = octo_kv_entry_at(allocator, at);
    const kv_at children[2] = {entry->left, entry->right};
    uint32_t image = image_of_one(entry);

    for (uint32_t side = 0; side < 2; side++) {
        if (children[side] == 0)
            continue;
        const struct kv_entry *child = octo_kv_entry_at(allocator, children[side]);
        octo_assert(stands_above(entry, child, side == 0));
        image += child->image_bytes;
    }
    octo_assert(image == entry->image_bytes);
    octo_assert(entry->digest == octo_kv_chain_digest(allocator, at));
    const uint32_t cells = octo_kv_chain_cells(allocator, at);
    octo_assert(cells == octo_kv_cells_for(entry->key_size + entry->value_size));
    return cells;
}

void octo_kv_store_check(const struct octo_allocator *allocator, const struct kv_store *store)
{
    uint8_t last_copy[OCTO_KV_KEY_MAX];
    struct kv_bytes last = {last_copy, 0};
    uint64_t digest = 0;
    uint32_t count = 0;
    uint32_t cells = 0;

    octo_assert(store->pool.used <= store->pool.max);
    for (uint32_t offset = 0; offset < octo_kv_image_bytes(allocator, store);) {
        uint32_t within = offset;
        const kv_at at = image_find(allocator, store, &within);
        octo_assert(at != 0);
        octo_assert(within == 0);
        const struct kv_entry *entry = octo_kv_entry_at(allocator, at);
        octo_assert(count == 0 || key_compare(allocator, at, last) > 0);
        last.size = entry->key_size;
        octo_kv_chain_read(allocator, at, 0, last_copy, last.size);
        cells += entry_check(allocator, at);
        digest += entry->digest;
        count++;
        offset += image_of_one(entry);
    }
    octo_assert(count == store->count);
    octo_assert(cells == store->pool.used);
    octo_assert(digest == store->digest);
}
