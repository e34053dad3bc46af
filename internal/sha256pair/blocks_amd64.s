//go:build !purego

#include "textflag.h"

// The two lanes take turns every four rounds. Each keeps its state in two registers, as the SHA
// instructions have it (ABEF and CDGH), and the last 16 words of its message schedule in four.
// X0 is what SHA256RNDS2 reads its words from, X15 the byte order of words.

// LOAD does four of the first 16 rounds with words from memory.
#define LOAD(P, OFF, M, S0, S1) \
	MOVOU       OFF(P), M; \
	PSHUFB      X15, M; \
	MOVO        M, X0; \
	PADDD       OFF(AX), X0; \
	SHA256RNDS2 X0, S0, S1; \
	PSHUFD      $0x0e, X0, X0; \
	SHA256RNDS2 X0, S1, S0

// ROUNDS does four rounds with the words C and makes the next four words N of them, those before (P)
// and what N holds.
#define ROUNDS(OFF, C, P, N, T, S0, S1) \
	MOVO        C, X0; \
	PADDD       OFF(AX), X0; \
	SHA256RNDS2 X0, S0, S1; \
	MOVO        C, T; \
	PALIGNR     $4, P, T; \
	PADDD       T, N; \
	SHA256MSG2  C, N; \
	PSHUFD      $0x0e, X0, X0; \
	SHA256RNDS2 X0, S1, S0

// LAST does four rounds with the words C.
#define LAST(OFF, C, S0, S1) \
	MOVO        C, X0; \
	PADDD       OFF(AX), X0; \
	SHA256RNDS2 X0, S0, S1; \
	PSHUFD      $0x0e, X0, X0; \
	SHA256RNDS2 X0, S1, S0

// ENTER makes ABEF and CDGH of the words at P, LEAVE the opposite.
#define ENTER(P, S0, S1, T) \
	MOVOU   (P), S0; \
	MOVOU   16(P), S1; \
	PSHUFD  $0xb1, S0, S0; \
	PSHUFD  $0x1b, S1, S1; \
	MOVO    S0, T; \
	PALIGNR $8, S1, S0; \
	PBLENDW $0xf0, T, S1

#define LEAVE(P, S0, S1, T) \
	PSHUFD  $0x1b, S0, S0; \
	PSHUFD  $0xb1, S1, S1; \
	MOVO    S0, T; \
	PBLENDW $0xf0, S1, S0; \
	PALIGNR $8, T, S1; \
	MOVOU   S0, (P); \
	MOVOU   S1, 16(P)

// func blocks(a, b *[8]uint32, p, q *byte, n int)
TEXT ·blocks(SB), NOSPLIT, $64-40
	MOVQ  a+0(FP), DI
	MOVQ  b+8(FP), R8
	MOVQ  p+16(FP), SI
	MOVQ  q+24(FP), R9
	MOVQ  n+32(FP), CX
	LEAQ  k<>(SB), AX
	MOVOU order<>(SB), X15
	ENTER(DI, X1, X2, X7)
	ENTER(R8, X8, X9, X14)
	TESTQ CX, CX
	JZ    done

next:
	MOVOU X1, 0(SP)
	MOVOU X2, 16(SP)
	MOVOU X8, 32(SP)
	MOVOU X9, 48(SP)

	LOAD(SI, 0, X3, X1, X2)
	LOAD(R9, 0, X10, X8, X9)
	LOAD(SI, 16, X4, X1, X2)
	SHA256MSG1 X4, X3
	LOAD(R9, 16, X11, X8, X9)
	SHA256MSG1 X11, X10
	LOAD(SI, 32, X5, X1, X2)
	SHA256MSG1 X5, X4
	LOAD(R9, 32, X12, X8, X9)
	SHA256MSG1 X12, X11
	MOVOU  48(SI), X6
	PSHUFB X15, X6
	ROUNDS(48, X6, X5, X3, X7, X1, X2)
	SHA256MSG1 X6, X5
	MOVOU  48(R9), X13
	PSHUFB X15, X13
	ROUNDS(48, X13, X12, X10, X14, X8, X9)
	SHA256MSG1 X13, X12
	ROUNDS(64, X3, X6, X4, X7, X1, X2)
	SHA256MSG1 X3, X6
	ROUNDS(64, X10, X13, X11, X14, X8, X9)
	SHA256MSG1 X10, X13
	ROUNDS(80, X4, X3, X5, X7, X1, X2)
	SHA256MSG1 X4, X3
	ROUNDS(80, X11, X10, X12, X14, X8, X9)
	SHA256MSG1 X11, X10
	ROUNDS(96, X5, X4, X6, X7, X1, X2)
	SHA256MSG1 X5, X4
	ROUNDS(96, X12, X11, X13, X14, X8, X9)
	SHA256MSG1 X12, X11
	ROUNDS(112, X6, X5, X3, X7, X1, X2)
	SHA256MSG1 X6, X5
	ROUNDS(112, X13, X12, X10, X14, X8, X9)
	SHA256MSG1 X13, X12
	ROUNDS(128, X3, X6, X4, X7, X1, X2)
	SHA256MSG1 X3, X6
	ROUNDS(128, X10, X13, X11, X14, X8, X9)
	SHA256MSG1 X10, X13
	ROUNDS(144, X4, X3, X5, X7, X1, X2)
	SHA256MSG1 X4, X3
	ROUNDS(144, X11, X10, X12, X14, X8, X9)
	SHA256MSG1 X11, X10
	ROUNDS(160, X5, X4, X6, X7, X1, X2)
	SHA256MSG1 X5, X4
	ROUNDS(160, X12, X11, X13, X14, X8, X9)
	SHA256MSG1 X12, X11
	ROUNDS(176, X6, X5, X3, X7, X1, X2)
	SHA256MSG1 X6, X5
	ROUNDS(176, X13, X12, X10, X14, X8, X9)
	SHA256MSG1 X13, X12
	ROUNDS(192, X3, X6, X4, X7, X1, X2)
	SHA256MSG1 X3, X6
	ROUNDS(192, X10, X13, X11, X14, X8, X9)
	SHA256MSG1 X10, X13
	ROUNDS(208, X4, X3, X5, X7, X1, X2)
	ROUNDS(208, X11, X10, X12, X14, X8, X9)
	ROUNDS(224, X5, X4, X6, X7, X1, X2)
	ROUNDS(224, X12, X11, X13, X14, X8, X9)
	LAST(240, X6, X1, X2)
	LAST(240, X13, X8, X9)

	MOVOU 0(SP), X7
	PADDD X7, X1
	MOVOU 16(SP), X7
	PADDD X7, X2
	MOVOU 32(SP), X14
	PADDD X14, X8
	MOVOU 48(SP), X14
	PADDD X14, X9
	ADDQ  $64, SI
	ADDQ  $64, R9
	DECQ  CX
	JNZ   next

done:
	LEAVE(DI, X1, X2, X7)
	LEAVE(R8, X8, X9, X14)
	RET

// func hasSHA() bool
TEXT ·hasSHA(SB), NOSPLIT, $0-1
	MOVB $0, ret+0(FP)
	XORL AX, AX
	CPUID
	CMPL AX, $7
	JLT  no
	MOVL $7, AX
	XORL CX, CX
	CPUID
	SHRL $29, BX
	ANDL $1, BX
	MOVB BX, ret+0(FP)

no:
	RET

// order turns the bytes of four words.
DATA order<>+0(SB)/8, $0x0405060700010203
DATA order<>+8(SB)/8, $0x0c0d0e0f08090a0b
GLOBL order<>(SB), RODATA|NOPTR, $16

// k are the constants of the 64 rounds. The linker aligns symbols of this size, as PADDD demands.
DATA k<>+0(SB)/8, $0x71374491428a2f98
DATA k<>+8(SB)/8, $0xe9b5dba5b5c0fbcf
DATA k<>+16(SB)/8, $0x59f111f13956c25b
DATA k<>+24(SB)/8, $0xab1c5ed5923f82a4
DATA k<>+32(SB)/8, $0x12835b01d807aa98
DATA k<>+40(SB)/8, $0x550c7dc3243185be
DATA k<>+48(SB)/8, $0x80deb1fe72be5d74
DATA k<>+56(SB)/8, $0xc19bf1749bdc06a7
DATA k<>+64(SB)/8, $0xefbe4786e49b69c1
DATA k<>+72(SB)/8, $0x240ca1cc0fc19dc6
DATA k<>+80(SB)/8, $0x4a7484aa2de92c6f
DATA k<>+88(SB)/8, $0x76f988da5cb0a9dc
DATA k<>+96(SB)/8, $0xa831c66d983e5152
DATA k<>+104(SB)/8, $0xbf597fc7b00327c8
DATA k<>+112(SB)/8, $0xd5a79147c6e00bf3
DATA k<>+120(SB)/8, $0x1429296706ca6351
DATA k<>+128(SB)/8, $0x2e1b213827b70a85
DATA k<>+136(SB)/8, $0x53380d134d2c6dfc
DATA k<>+144(SB)/8, $0x766a0abb650a7354
DATA k<>+152(SB)/8, $0x92722c8581c2c92e
DATA k<>+160(SB)/8, $0xa81a664ba2bfe8a1
DATA k<>+168(SB)/8, $0xc76c51a3c24b8b70
DATA k<>+176(SB)/8, $0xd6990624d192e819
DATA k<>+184(SB)/8, $0x106aa070f40e3585
DATA k<>+192(SB)/8, $0x1e376c0819a4c116
DATA k<>+200(SB)/8, $0x34b0bcb52748774c
DATA k<>+208(SB)/8, $0x4ed8aa4a391c0cb3
DATA k<>+216(SB)/8, $0x682e6ff35b9cca4f
DATA k<>+224(SB)/8, $0x78a5636f748f82ee
DATA k<>+232(SB)/8, $0x8cc7020884c87814
DATA k<>+240(SB)/8, $0xa4506ceb90befffa
DATA k<>+248(SB)/8, $0xc67178f2bef9a3f7
GLOBL k<>(SB), RODATA|NOPTR, $256
