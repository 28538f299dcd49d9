/*
 * Starts ST's ROM bootloader in the way that the word at WAY asks for; a test writes it there.
 * WAY reads REFUSED after a chip that the library does not know.
 */
#include <stdint.h>

#include "surefoot.h"

#define WAY (*(volatile uint32_t *)0x20001000u)
#define BY_NAME 1u
#define BY_TABLE 2u
#define BY_ENTRY 3u
#define BY_UNKNOWN_NAME 4u
#define REFUSED 0x5E70u

#define ROM 0x1FFF0000u

void SysTick_Handler(void)
{
}

int main(void)
{
    const uint32_t *rom = (const uint32_t *)ROM;

    WAY = 0;
    for (;;) {
        switch (WAY) {
        case BY_NAME:
            surefoot_jump_to_rom("STM32F407VG");
            break;
        case BY_TABLE:
            surefoot_jump_to_rom_at(ROM);
            break;
        case BY_ENTRY:
            surefoot_jump_to_rom_entered_at(rom[0], rom[1]);
            break;
        case BY_UNKNOWN_NAME:
            if (!surefoot_jump_to_rom("STM32Z407VG")) {
                WAY = REFUSED;
            }
            break;
        default:
            break;
        }
    }
}
