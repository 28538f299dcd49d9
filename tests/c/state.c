/*
 * Writes what the library says of the journal to where a test reads it, then confirms when the word at
 * GO is set, and says it again. 2 in it moves the vector table first, to where RESULTS[6] says.
 */
#include <stdint.h>

#include "surefoot.h"

#define GO (*(volatile uint32_t *)0x20001000u)
#define RESULTS ((volatile uint32_t *)0x20001004u)
#define STATE (*(surefoot_state_t *)0x20001020u)
#define EVENTS ((surefoot_event_t *)0x20001040u)
#define ROOM 4u
#define VERSION ((uint16_t *)0x20001100u)
/* Not a state, nor an event: what a call leaves alone keeps it. */
#define UNTOUCHED 0xA5A5A5A5u

static const surefoot_board_t board = SUREFOOT_BOARD_F4;

void SysTick_Handler(void)
{
}

static void say(void)
{
    uint32_t *word;

    (void)surefoot_version(&board, VERSION);

    for (word = (uint32_t *)&STATE; word < (uint32_t *)(EVENTS + ROOM + 1); word++) {
        *word = UNTOUCHED;
    }
    RESULTS[0] = surefoot_state(&board, &STATE);
    RESULTS[1] = surefoot_events(&board, EVENTS, ROOM, (uint32_t *)&RESULTS[2]);
}

int main(void)
{
    static surefoot_updater_t updater;
    static const uint8_t byte = 0;

    GO = 0;
    RESULTS[3] = UNTOUCHED;
    say();
    /* What must not work: nothing was begun. */
    RESULTS[4] = surefoot_update_write(&updater, 0, &byte, 1);
    RESULTS[5] = surefoot_update_finish(&updater);
    for (;;) {
        if (GO) {
            if (GO == 2) {
                *(volatile uint32_t *)0xE000ED08u = RESULTS[6];
            }
            GO = 0;
            RESULTS[3] = surefoot_confirm(&board);
            say();
        }
    }
}
