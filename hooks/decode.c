#include "hooks/decode.h"

#include <Zydis/Zydis.h>

#define LENGTH(array) (sizeof(array) / sizeof(*(array)))

/* What may run from another address, given that no operand is relative to rip: plain moves and arithmetic. A
   short list on purpose: what is not here stays unpatched and is reported. Seen between mov and syscall so
   far (gcc 12, clang 14): mov of a constant or a register, add. */
static const ZydisMnemonic movable[] = {
    ZYDIS_MNEMONIC_MOV,    ZYDIS_MNEMONIC_MOVZX,  ZYDIS_MNEMONIC_MOVSX,  ZYDIS_MNEMONIC_MOVSXD,
    ZYDIS_MNEMONIC_LEA,    ZYDIS_MNEMONIC_ADD,    ZYDIS_MNEMONIC_SUB,    ZYDIS_MNEMONIC_ADC,
    ZYDIS_MNEMONIC_SBB,    ZYDIS_MNEMONIC_AND,    ZYDIS_MNEMONIC_OR,     ZYDIS_MNEMONIC_XOR,
    ZYDIS_MNEMONIC_NOT,    ZYDIS_MNEMONIC_NEG,    ZYDIS_MNEMONIC_INC,    ZYDIS_MNEMONIC_DEC,
    ZYDIS_MNEMONIC_SHL,    ZYDIS_MNEMONIC_SHR,    ZYDIS_MNEMONIC_SAR,    ZYDIS_MNEMONIC_ROL,
    ZYDIS_MNEMONIC_ROR,    ZYDIS_MNEMONIC_SHLX,   ZYDIS_MNEMONIC_SHRX,   ZYDIS_MNEMONIC_SARX,
    ZYDIS_MNEMONIC_RORX,   ZYDIS_MNEMONIC_ANDN,   ZYDIS_MNEMONIC_IMUL,   ZYDIS_MNEMONIC_BSWAP,
    ZYDIS_MNEMONIC_CMP,    ZYDIS_MNEMONIC_TEST,   ZYDIS_MNEMONIC_CMOVB,  ZYDIS_MNEMONIC_CMOVNB,
    ZYDIS_MNEMONIC_CMOVZ,  ZYDIS_MNEMONIC_CMOVNZ, ZYDIS_MNEMONIC_CMOVBE, ZYDIS_MNEMONIC_CMOVNBE,
    ZYDIS_MNEMONIC_CMOVL,  ZYDIS_MNEMONIC_CMOVNL, ZYDIS_MNEMONIC_CMOVLE, ZYDIS_MNEMONIC_CMOVNLE,
    ZYDIS_MNEMONIC_CMOVS,  ZYDIS_MNEMONIC_CMOVNS, ZYDIS_MNEMONIC_NOP,    ZYDIS_MNEMONIC_MOVQ,
    ZYDIS_MNEMONIC_MOVD,   ZYDIS_MNEMONIC_MOVAPS, ZYDIS_MNEMONIC_MOVUPS, ZYDIS_MNEMONIC_MOVDQA,
    ZYDIS_MNEMONIC_MOVDQU, ZYDIS_MNEMONIC_XORPS,  ZYDIS_MNEMONIC_PXOR,
};

static bool decode(const uint8_t *code, size_t size, ZydisDecodedInstruction *out,
                   ZydisDecoderContext *context, int *error)
{
    ZydisDecoder decoder; /* a few bytes on the stack; set up anew so that there is no state to share */
    ZyanStatus status = ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
    if (ZYAN_SUCCESS(status))
        status = ZydisDecoderDecodeInstruction(&decoder, context, code, size, out);
    *error = status == ZYDIS_STATUS_NO_MORE_DATA ? -2 : -1;
    return ZYAN_SUCCESS(status);
}

static enum insn_kind kind_of(const ZydisDecodedInstruction *in)
{
    switch (in->mnemonic) {
    case ZYDIS_MNEMONIC_SYSCALL:
        return INSN_SYSCALL;
    case ZYDIS_MNEMONIC_ENDBR64:
        return INSN_ENDBR;
    case ZYDIS_MNEMONIC_UD0:
    case ZYDIS_MNEMONIC_UD1:
    case ZYDIS_MNEMONIC_UD2:
    case ZYDIS_MNEMONIC_HLT:
    case ZYDIS_MNEMONIC_INT3:
    case ZYDIS_MNEMONIC_IRET:
    case ZYDIS_MNEMONIC_IRETD:
    case ZYDIS_MNEMONIC_IRETQ:
    case ZYDIS_MNEMONIC_SYSENTER:
    case ZYDIS_MNEMONIC_SYSRET:
    case ZYDIS_MNEMONIC_SYSEXIT:
        return INSN_STOP;
    case ZYDIS_MNEMONIC_XBEGIN:
        return INSN_BRANCH;
    default:
        break;
    }
    switch (in->meta.category) {
    case ZYDIS_CATEGORY_RET:
        return INSN_STOP;
    case ZYDIS_CATEGORY_UNCOND_BR:
        return INSN_JUMP;
    case ZYDIS_CATEGORY_COND_BR:
        return INSN_BRANCH;
    case ZYDIS_CATEGORY_CALL:
        return INSN_CALL;
    case ZYDIS_CATEGORY_PUSH:
    case ZYDIS_CATEGORY_POP:
        return INSN_STACK;
    default:
        return INSN_FIXED;
    }
}

static void flow_of(const ZydisDecodedInstruction *in, struct insn *insn)
{
    *insn = (struct insn){.length = in->length,
                          .kind = (uint8_t)kind_of(in),
                          .constant_into = INSN_NO_REGISTER,
                          .rax_copied_from = INSN_NO_REGISTER};
    bool branches = insn->kind == INSN_JUMP || insn->kind == INSN_BRANCH || insn->kind == INSN_CALL;
    if (branches && in->raw.imm[0].is_relative) {
        insn->direct = true;
        insn->target = (int64_t)((uint64_t)in->length + (uint64_t)in->raw.imm[0].value.s);
    }
}

int insn_flow(const uint8_t *code, size_t size, struct insn *insn)
{
    ZydisDecodedInstruction in;
    int error;
    if (!decode(code, size, &in, NULL, &error))
        return error;
    flow_of(&in, insn);
    return 0;
}

/* 0..15 for any part of a general register, else INSN_NO_REGISTER. */
static int8_t general(ZydisRegister reg)
{
    ZydisRegister whole = ZydisRegisterGetLargestEnclosing(ZYDIS_MACHINE_MODE_LONG_64, reg);
    if (whole < ZYDIS_REGISTER_RAX || whole > ZYDIS_REGISTER_R15)
        return INSN_NO_REGISTER;
    return (int8_t)(whole - ZYDIS_REGISTER_RAX);
}

/* A register that code in user space moves freely: a general one or a vector one, not rsp. */
static bool moves_freely(const ZydisDecodedOperand *op)
{
    ZydisRegisterClass class = ZydisRegisterGetClass(op->reg.value);
    bool written = op->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE;
    switch (class) {
    case ZYDIS_REGCLASS_GPR8:
    case ZYDIS_REGCLASS_GPR16:
    case ZYDIS_REGCLASS_GPR32:
    case ZYDIS_REGCLASS_GPR64:
        return !written || general(op->reg.value) != general(ZYDIS_REGISTER_RSP);
    case ZYDIS_REGCLASS_XMM:
    case ZYDIS_REGCLASS_YMM:
    case ZYDIS_REGCLASS_FLAGS:
        return true;
    default:
        return false;
    }
}

static bool is_movable(const ZydisDecodedInstruction *in, const ZydisDecodedOperand *ops)
{
    if (in->attributes & (ZYDIS_ATTRIB_HAS_LOCK | ZYDIS_ATTRIB_HAS_REP | ZYDIS_ATTRIB_HAS_REPNE))
        return false;
    for (unsigned i = 0; i < in->operand_count; i++)
        if (ops[i].type == ZYDIS_OPERAND_TYPE_REGISTER && !moves_freely(&ops[i]))
            return false;
    for (size_t i = 0; i < LENGTH(movable); i++)
        if (in->mnemonic == movable[i])
            return true;
    return false;
}

/* mov constant,register; xor register,itself; mov register,rax; mov memory,rax: what a number's way into rax
 * is traced by. */
static void trace_mov(const ZydisDecodedInstruction *in, const ZydisDecodedOperand *ops, struct insn *insn)
{
    if (ops[0].type != ZYDIS_OPERAND_TYPE_REGISTER)
        return;
    int8_t into = general(ops[0].reg.value);
    bool cleared = in->mnemonic == ZYDIS_MNEMONIC_XOR && ops[1].type == ZYDIS_OPERAND_TYPE_REGISTER &&
                   ops[0].reg.value == ops[1].reg.value && ops[0].size >= 32;
    if (cleared) {
        insn->constant_into = into;
        return;
    }
    if (in->mnemonic != ZYDIS_MNEMONIC_MOV)
        return;
    if (ops[1].type == ZYDIS_OPERAND_TYPE_IMMEDIATE) {
        insn->constant_into = into;
        insn->constant = ops[1].imm.value.u;
        if (ops[0].size < 64)
            insn->constant &= (UINT64_C(1) << ops[0].size) - 1;
    } else if (ops[1].type == ZYDIS_OPERAND_TYPE_REGISTER && into == INSN_RAX && ops[0].size >= 32) {
        insn->rax_copied_from = general(ops[1].reg.value);
    } else if (ops[1].type == ZYDIS_OPERAND_TYPE_MEMORY && into == INSN_RAX && ops[0].size >= 32) {
        insn->rax_loaded = true;
    }
}

int insn_decode(const uint8_t *code, size_t size, struct insn *insn)
{
    ZydisDecodedInstruction in;
    ZydisDecodedOperand ops[ZYDIS_MAX_OPERAND_COUNT];
    ZydisDecoderContext context;
    ZydisDecoder decoder;
    int error;
    if (!decode(code, size, &in, &context, &error))
        return error;
    ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
    if (!ZYAN_SUCCESS(ZydisDecoderDecodeOperands(&decoder, &context, &in, ops, in.operand_count)))
        return -1;
    flow_of(&in, insn);
    bool writes_rsp = false;
    for (unsigned i = 0; i < in.operand_count; i++) {
        const ZydisDecodedOperand *op = &ops[i];
        bool written = op->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE;
        if (op->type == ZYDIS_OPERAND_TYPE_REGISTER && written) {
            insn->writes_rax |= general(op->reg.value) == INSN_RAX;
            writes_rsp |= general(op->reg.value) == general(ZYDIS_REGISTER_RSP);
        } else if (op->type == ZYDIS_OPERAND_TYPE_MEMORY) {
            insn->rip_relative |= op->mem.base == ZYDIS_REGISTER_RIP || op->mem.base == ZYDIS_REGISTER_EIP;
        }
    }
    if (insn->kind == INSN_FIXED && writes_rsp)
        insn->kind = INSN_STACK;
    if (insn->kind == INSN_FIXED && is_movable(&in, ops))
        insn->kind = INSN_PLAIN;
    trace_mov(&in, ops, insn);
    return 0;
}
