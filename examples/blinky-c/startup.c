/*
 * Vector table and reset: what runs before main.
 *
 * The 82 interrupts of the chip share one handler, since this program uses none. Vectors 7-10 and 13
 * are reserved by the core (PM0214 Rev 10, 2.3.4); `surefoot image` writes 8-10.
 */
#include <stdint.h>

int main(void);
void SysTick_Handler(void);
void Reset_Handler(void) __attribute__((noreturn));
void Default_Handler(void) __attribute__((noreturn));

/* From blinky.ld. */
extern uint32_t stack_top;
extern uint32_t data_start, data_end, data_load;
extern uint32_t bss_start, bss_end;

#define INTERRUPTS 82

__attribute__((section(".vectors"), used)) const uintptr_t vector_table[16 + INTERRUPTS] = {
    [0] = (uintptr_t)&stack_top,
    [1] = (uintptr_t)Reset_Handler,
    [2 ... 6] = (uintptr_t)Default_Handler,
    [11 ... 12] = (uintptr_t)Default_Handler,
    [14] = (uintptr_t)Default_Handler,
    [15] = (uintptr_t)SysTick_Handler,
    [16 ... 15 + INTERRUPTS] = (uintptr_t)Default_Handler,
};

void Reset_Handler(void)
{
    const uint32_t *from = &data_load;
    uint32_t *to;

    for (to = &data_start; to < &data_end; to++) {
        *to = *from++;
    }
    for (to = &bss_start; to < &bss_end; to++) {
        *to = 0;
    }
    main();
    Default_Handler();
}

void Default_Handler(void)
{
    for (;;) {
    }
}
