/* The layout of struct machine, for C and assembly. */
#ifndef TEST_UNIT_STUB_MACHINE_H
#define TEST_UNIT_STUB_MACHINE_H

#define M_RAX 0
#define M_RCX 8
#define M_RDX 16
#define M_RBX 24
#define M_RSP 32
#define M_RBP 40
#define M_RSI 48
#define M_RDI 56
#define M_R8 64
#define M_R9 72
#define M_R10 80
#define M_R11 88
#define M_R12 96
#define M_R13 104
#define M_R14 112
#define M_R15 120
#define M_FLAGS 128
#define M_LEVEL 136
#define M_ZONE 144
#define M_MASKS 272
#define M_VECTORS 336

#ifndef __ASSEMBLER__
#include <stdint.h>

struct machine {
    uint64_t general[16];
    uint64_t flags;
    uint64_t level; /* 0: SSE, 1: AVX, 2: AVX-512 */
    uint64_t zone[16];
    uint64_t masks[8];
    uint8_t vectors[32][64];
};

_Static_assert(sizeof(struct machine) == M_VECTORS + 32 * 64, "stub_site.S counts on it");

void machine_pass(const struct machine *in, struct machine *out);
extern uint8_t machine_after[], machine_end[];
long site_short(void *address, unsigned long length, long advice);
long site_long(void *address, unsigned long length, long advice);

/* stub_decide.c, built as the real decision is: with general registers only. */
struct hook_call;
enum decision { DECLINE, SERVE, CALL_BACK };
extern volatile enum decision decision;
extern volatile long decision_result;
extern volatile unsigned long decisions;
extern struct hook_call decision_saw;
extern void (*decision_call_back)(void);
int test_decide(struct hook_call *call);
#endif

#endif
