/* Names from the tables in sim.h and decision.h. */
#include "sim/decision.h"
#include "sim/sim.h"

static const char *const fault_texts[OCTO_FAULT_COUNT] = {
#define FAULT_TEXT(name, text) [OCTO_FAULT_##name] = text,
    OCTO_FAULTS(FAULT_TEXT)
#undef FAULT_TEXT
};

static const char *const decision_texts[OCTO_DECISION_COUNT] = {[OCTO_DECIDE_NONE] = "none",
#define DECISION_TEXT(name, text) [OCTO_DECIDE_##name] = text,
                                                                OCTO_DECISIONS(DECISION_TEXT)
#undef DECISION_TEXT
};

static const struct {
    enum octo_sim_faults faults;
    const char *text;
} mixes[] = {
#define MIX_TEXT(name, number, text) {OCTO_SIM_FAULTS_##name, (text)},
    OCTO_SIM_MIXES(MIX_TEXT)
#undef MIX_TEXT
};

const char *octo_sim_faults_text(enum octo_sim_faults faults)
{
    for (size_t i = 0; i < sizeof mixes / sizeof mixes[0]; i++) {
        if (mixes[i].faults == faults)
            return mixes[i].text;
    }
    return "unknown";
}

bool octo_sim_faults_parse(const char *word, enum octo_sim_faults *faults)
{
    for (size_t i = 0; i < sizeof mixes / sizeof mixes[0]; i++) {
        if (strcmp(word, mixes[i].text) == 0) {
            *faults = mixes[i].faults;
            return true;
        }
    }
    return false;
}

const char *octo_fault_text(enum octo_fault fault)
{
    return (uint32_t)fault < OCTO_FAULT_COUNT ? fault_texts[fault] : "unknown";
}

const char *octo_decision_text(enum octo_decision decision)
{
    return (uint32_t)decision < OCTO_DECISION_COUNT ? decision_texts[decision] : "unknown";
}
