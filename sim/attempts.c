/* How often a key was asked before: an extendible hash table of 64-bit fingerprints.
 *
 * A page holds up to PAGE_FULL words, each the upper 40 bits of a fingerprint and a count. A full
 * page is split by one more bit of the fingerprint, so that the table grows by a page at a time,
 * nothing large is ever cleared or moved, and a world begins with one page. Two keys of one
 * fingerprint share a count; that is rare, harmless, and the same in every run. */
#include "sim/world.h"

#define PAGE_WORDS 512u
#define PAGE_FULL  384u /* three quarters */
#define DEPTH_MAX  20u

#define COUNT_BITS 24u
#define COUNT_MASK ((1ull << COUNT_BITS) - 1)

#define FINGERPRINT_SEED 0x452821e638d01377ull

struct attempts_page {
    uint32_t depth; /* bits of the fingerprint that all in this page share */
    uint32_t used;
    uint64_t words[PAGE_WORDS]; /* tag << COUNT_BITS | count; 0 is free (counts begin at 1) */
};

struct octo_attempts {
    struct octo_arena *arena;
    struct attempts_page **pages; /* by the lowest `depth` bits of the fingerprint */
    uint32_t depth;
};

static struct attempts_page *page_create(struct octo_arena *arena, uint32_t depth)
{
    struct attempts_page *page = octo_arena_alloc(arena, sizeof *page);
    if (page == NULL)
        return NULL;
    memset(page, 0, sizeof *page);
    page->depth = depth;
    return page;
}

struct octo_attempts *attempts_create(struct octo_arena *arena)
{
    struct octo_attempts *attempts = octo_arena_alloc(arena, sizeof *attempts);
    if (attempts == NULL)
        return NULL;
    attempts->arena = arena;
    attempts->depth = 0;
    attempts->pages = octo_arena_alloc(arena, sizeof(struct attempts_page *));
    if (attempts->pages == NULL)
        return NULL;
    attempts->pages[0] = page_create(arena, 0);
    return attempts->pages[0] != NULL ? attempts : NULL;
}

/* The word of a tag, or the free one where it would go. The page is never full. A tag holds all
 * bits that place a word: which page (the lowest DEPTH_MAX) and where in it. */
static uint64_t *page_find(struct attempts_page *page, uint64_t tag)
{
    uint32_t at = (uint32_t)(tag >> DEPTH_MAX) % PAGE_WORDS;
    while (page->words[at] != 0 && page->words[at] >> COUNT_BITS != tag)
        at = (at + 1) % PAGE_WORDS;
    return &page->words[at];
}

static void directory_double(struct octo_attempts *attempts)
{
    const size_t count = (size_t)1 << attempts->depth;
    struct attempts_page **pages = octo_arena_alloc(attempts->arena, 2 * count * sizeof *pages);
    octo_assert(pages != NULL);
    memcpy(pages, attempts->pages, count * sizeof *pages);
    memcpy(pages + count, attempts->pages, count * sizeof *pages);
    attempts->pages = pages;
    attempts->depth++;
}

/* Moves half of a page's words, those with the next bit set, to a new one. */
static void page_split(struct octo_attempts *attempts, struct attempts_page *page)
{
    octo_assert(page->depth < DEPTH_MAX);
    if (page->depth == attempts->depth)
        directory_double(attempts);

    uint64_t words[PAGE_WORDS];
    memcpy(words, page->words, sizeof words);
    const uint32_t bit = 1u << page->depth;
    struct attempts_page *other = page_create(attempts->arena, page->depth + 1);
    octo_assert(other != NULL);
    memset(page->words, 0, sizeof page->words);
    page->depth++;
    page->used = 0;
    for (uint32_t i = 0; i < PAGE_WORDS; i++) {
        if (words[i] == 0)
            continue;
        const uint64_t tag = words[i] >> COUNT_BITS;
        struct attempts_page *home = (tag & bit) != 0 ? other : page;
        *page_find(home, tag) = words[i];
        home->used++;
    }
    for (uint32_t i = 0; i < 1u << attempts->depth; i++) {
        if (attempts->pages[i] == page && (i & bit) != 0)
            attempts->pages[i] = other;
    }
}

uint32_t world_attempt(struct octo_world *world, const struct octo_key *key)
{
    struct octo_attempts *const attempts = world->attempts;
    struct octo_key plain = *key;
    plain.attempt = 0;
    const uint64_t tag = octo_key_hash(FINGERPRINT_SEED, &plain) >> COUNT_BITS;

    for (;;) {
        struct attempts_page *page = attempts->pages[tag & ((1u << attempts->depth) - 1)];
        uint64_t *word = page_find(page, tag);
        if (*word != 0) {
            const uint32_t before = (uint32_t)(*word & COUNT_MASK);
            if (before < COUNT_MASK)
                *word += 1;
            return before;
        }
        if (page->used < PAGE_FULL) {
            *word = tag << COUNT_BITS | 1;
            page->used++;
            return 0;
        }
        page_split(attempts, page);
    }
}
