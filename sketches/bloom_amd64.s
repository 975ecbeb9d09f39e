#include "textflag.h"

// Where the bit of each word is within an item's folded hash.
DATA shifts<>+0(SB)/8, $0
DATA shifts<>+8(SB)/8, $6
DATA shifts<>+16(SB)/8, $12
DATA shifts<>+24(SB)/8, $18
DATA shifts<>+32(SB)/8, $24
DATA shifts<>+40(SB)/8, $30
DATA shifts<>+48(SB)/8, $36
DATA shifts<>+56(SB)/8, $42
GLOBL shifts<>(SB), RODATA|NOPTR, $64

// func setEight(lines *bloomBlock, blocks uint64, hashes *uint64, n int)
//
// What addEightByWords does. A block need not be aligned to 32 bytes.
TEXT ·setEight(SB), NOSPLIT, $0-32
	MOVQ lines+0(FP), DI
	MOVQ blocks+8(FP), SI
	MOVQ hashes+16(FP), BX
	MOVQ n+24(FP), CX
	MOVQ $0x9e3779b97f4a7c15, R8 // bloomBlockMultiplier
	MOVQ $0xd1342543de82ef95, R9 // bloomFirstMultiplier
	VMOVDQU shifts<>+0(SB), Y4
	VMOVDQU shifts<>+32(SB), Y5
	MOVQ $63, AX
	MOVQ AX, X6
	VPBROADCASTQ X6, Y6
	MOVQ $1, AX
	MOVQ AX, X7
	VPBROADCASTQ X7, Y7

next:
	MOVQ (BX), R10
	ADDQ $8, BX
	TESTQ R10, R10
	JZ   done // no item

	MOVQ R10, AX // x = fold(h, bloomFirstMultiplier), four times over
	MULQ R9
	XORQ DX, AX
	MOVQ AX, X0
	VPBROADCASTQ X0, Y0

	IMULQ R8, R10 // block = high half of h·bloomBlockMultiplier times blocks
	MOVQ  R10, AX
	MULQ  SI
	SHLQ  $6, DX

	VPSRLVQ Y4, Y0, Y1 // words 0 to 3: 1 << (x>>shift & 63)
	VPAND   Y6, Y1, Y1
	VPSLLVQ Y1, Y7, Y1
	VPOR    (DI)(DX*1), Y1, Y1
	VMOVDQU Y1, (DI)(DX*1)

	VPSRLVQ Y5, Y0, Y2 // words 4 to 7
	VPAND   Y6, Y2, Y2
	VPSLLVQ Y2, Y7, Y2
	VPOR    32(DI)(DX*1), Y2, Y2
	VMOVDQU Y2, 32(DI)(DX*1)

done:
	DECQ CX
	JNZ  next
	VZEROUPPER
	RET
