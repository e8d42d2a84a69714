/* The ledger: which damage the protocol promises to survive. Whatever is allowed here and loses an
 * acknowledged write, or makes a node come up with less than it promised, is a bug. */
#include "sim/world.h"

#define LEDGER_COUNT 1u /* details of LEDGER decisions */
#define FILES_MAX    128u

static uint64_t ledger_bits(struct octo_world *world, uint8_t detail, uint64_t identity)
{
    const struct octo_key key = {
        .purpose = OCTO_DECIDE_DAMAGE, .detail = detail, .identity = {identity, 0}};
    return world_decide(world, &key);
}

void ledger_tell(struct octo_world *world)
{
    for (octo_node_id id = 1; id <= world->options.node_count; id++)
        octo_oracles_impaired(world->oracles, id, ledger_impaired(world, id));
}

/* Nodes that may lose both copies of something, or all they have: never a majority. */
void ledger_draw(struct octo_world *world)
{
    const bool *const on = world->drawing.on;
    const uint32_t nodes = world->options.node_count;
    const uint32_t most = (nodes - 1) / 2;

    world->ledger = (struct octo_ledger){0};
    if (world->options.unbounded) {
        world->ledger.impaired = (2u << nodes) - 2;
        return;
    }
    if (most == 0 ||
        !(on[OCTO_FAULT_DISK_ROT_DOUBLE] || on[OCTO_FAULT_DISK_WIPE] || on[OCTO_FAULT_DISK_SWAP]))
        return;
    uint32_t left = most;
    if (!on[OCTO_FAULT_DISK_SWAP])
        left = 1 + (uint32_t)octo_range(ledger_bits(world, LEDGER_COUNT, 0), most);
    for (octo_node_id id = 1; id <= nodes && left > 0; id++) {
        if (octo_range(ledger_bits(world, LEDGER_COUNT, id), nodes - id + 1) >= left)
            continue;
        world->ledger.impaired |= 1u << id;
        left--;
    }
}

bool ledger_impaired(const struct octo_world *world, octo_node_id id)
{
    return (world->ledger.impaired & 1u << id) != 0;
}

/* Whether any file of the kind holds a lie. */
static bool lies_in(const struct octo_world *world, octo_node_id id, uint8_t kind)
{
    const struct octo_simdisk *disk = world->hosts[id].disk;
    uint32_t numbers[FILES_MAX];
    const uint32_t count =
        (uint32_t)octo_min_u64(octo_simdisk_files(disk, kind, numbers, FILES_MAX), FILES_MAX);

    for (uint32_t i = 0; i < count; i++) {
        const struct octo_file file = {.kind = kind, .number = numbers[i]};
        if (octo_simdisk_lies(disk, file, 0, UINT64_MAX) > 0)
            return true;
    }
    return false;
}

/* Whether nothing in the other topic of the log is a lie. */
static bool twin_honest(const struct octo_world *world, octo_node_id id, struct octo_file file)
{
    if (file.kind == OCTO_FILE_MAIN)
        return !lies_in(world, id, OCTO_FILE_RECOVERY);
    return file.kind != OCTO_FILE_RECOVERY || !lies_in(world, id, OCTO_FILE_MAIN);
}

bool ledger_allows(const struct octo_world *world, octo_node_id id, struct octo_file file)
{
    /* Even without a budget: no node could notice, so it would prove nothing. */
    if (world->options.unbounded)
        return file.kind != OCTO_FILE_VOTE || !lies_in(world, id, OCTO_FILE_VOTE);
    switch ((enum octo_file_kind)file.kind) {
    case OCTO_FILE_MAIN:
    case OCTO_FILE_RECOVERY:
        return twin_honest(world, id, file);
    /* Not even the spare: what is written to it may be a lie that its own page cache hides when it
     * is verified, and it is the one that counts from then on. */
    case OCTO_FILE_SNAPSHOT:
        return ledger_impaired(world, id);
    case OCTO_FILE_VOTE: /* were both copies of a generation lost, the one before would look well */
        return ledger_impaired(world, id) && !lies_in(world, id, OCTO_FILE_VOTE);
    case OCTO_FILE_NONE:
    case OCTO_FILE_IDENTITY:
        break;
    }
    return false;
}

/* Both copies of an entry or a marker, on an impaired node, and of one thing at a time: were a
 * marker gone as well as what it covers, nothing would say that there had been anything. */
bool ledger_allows_double(const struct octo_world *world, octo_node_id id)
{
    if (world->options.unbounded)
        return true;
    return ledger_impaired(world, id) &&
           !(lies_in(world, id, OCTO_FILE_MAIN) && lies_in(world, id, OCTO_FILE_RECOVERY));
}

/* Reads go astray in one topic at a time, in turn over the incarnations, and once in a segment:
 * what is read twice and astray both times is as good as damaged, and its repair would be at risk.
 */
bool ledger_allows_read(struct octo_world *world, octo_node_id id, struct octo_file file)
{
    struct octo_ledger *ledger = &world->ledger;
    const uint32_t incarnation = world->hosts[id].incarnation;
    const uint8_t topic = (incarnation & 1) != 0 ? OCTO_FILE_MAIN : OCTO_FILE_RECOVERY;

    /* Even without a budget: of a marker that is a lie in one topic and read astray in the other
     * nothing is left to see, so it would prove nothing. */
    if (world->options.unbounded)
        return twin_honest(world, id, file);
    if (file.kind == OCTO_FILE_SNAPSHOT || file.kind == OCTO_FILE_VOTE)
        return ledger_impaired(world, id);
    if (file.kind != topic || !ledger_allows(world, id, file))
        return false;
    if (ledger->astray_incarnation[id] == incarnation && ledger->astray[id] == file.number + 1)
        return false;
    ledger->astray_incarnation[id] = incarnation;
    ledger->astray[id] = file.number + 1;
    return true;
}
