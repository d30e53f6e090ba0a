/* One x86-64 instruction, reduced to what finding and moving a call site needs. The only user of Zydis. */
#ifndef HOOKS_DECODE_H
#define HOOKS_DECODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum insn_kind {
    INSN_PLAIN,   /* moves, arithmetic, loads and stores that mean the same anywhere */
    INSN_FIXED,   /* anything else that falls through */
    INSN_STACK,   /* uses the stack, or writes rsp */
    INSN_ENDBR,   /* endbr64 */
    INSN_SYSCALL, /* syscall */
    INSN_JUMP,    /* unconditional jump */
    INSN_BRANCH,  /* conditional branch */
    INSN_CALL,    /* near call */
    INSN_STOP,    /* execution does not go on after it: ret, ud2, hlt, int3 */
};

enum { INSN_NO_REGISTER = -1, INSN_RAX = 0 };

struct insn {
    uint8_t length; /* bytes; 1 to 15 */
    uint8_t kind;   /* enum insn_kind */
    bool direct;    /* a branch whose destination is in the instruction: see target */
    int64_t target; /* destination, relative to the first byte of the instruction */

    /* Below: filled by insn_decode only. */
    bool rip_relative;      /* has a memory operand relative to rip */
    bool writes_rax;        /* changes any part of rax */
    int8_t constant_into;   /* general register (0..15) set to a constant, by a mov or an xor with itself; or
                               none */
    uint64_t constant;      /* that constant, zero-extended as the register is */
    bool rax_loaded;        /* a plain mov from memory replaces rax or eax */
    int8_t rax_copied_from; /* general register that a plain mov copies to rax or eax; or none */
};

/* Decodes the instruction at `code`, of which `size` bytes may be read, as far as control flow goes.
   Returns 0; -1 when the bytes are no instruction, -2 when they end too early. Pure; any context. */
int insn_flow(const uint8_t *code, size_t size, struct insn *insn);

/* The same with operands: all fields. About three times the cost of insn_flow. */
int insn_decode(const uint8_t *code, size_t size, struct insn *insn);

#endif
