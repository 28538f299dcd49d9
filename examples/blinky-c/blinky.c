/*
 * Blinks the green LED (PD12); the blue button (PA0), held for 50 ms, asks for an update.
 *
 * After four changes of the LED it knows that it works, and confirms itself. Where there are two slots
 * to run from it takes an update while it runs: see serial.c.
 *
 * PERIOD_MS at build time is the time between two changes of the LED: 500 for version 1, 250 for
 * version 2. The orange LED (PD13) is on when Surefoot's bootloader started the program.
 * Registers: RM0090 Rev 19, 7.3.10 (RCC), 8.4 (GPIO), 21.4.1 (IWDG); PM0214 Rev 10, 4.5 (SysTick).
 */
#include <stdint.h>

#include "serial.h"
#include "surefoot.h"

#ifndef PERIOD_MS
#define PERIOD_MS 500
#endif
#define BUTTON_MS 50
/* Changes of the LED that have to be seen before the program trusts itself. */
#define PROOF 4

/* After reset, and after Surefoot's jump, the chip runs from HSI. */
#define HSI_HZ 16000000u

#define REGISTER(address) (*(volatile uint32_t *)(address))
#define RCC_AHB1ENR REGISTER(0x40023830u)
#define GPIOA_IDR REGISTER(0x40020010u)
#define GPIOD_MODER REGISTER(0x40020C00u)
#define GPIOD_IDR REGISTER(0x40020C10u)
#define GPIOD_BSRR REGISTER(0x40020C18u)
#define IWDG_KR REGISTER(0x40003000u)
#define SYST_CSR REGISTER(0xE000E010u)
#define SYST_RVR REGISTER(0xE000E014u)
#define SYST_CVR REGISTER(0xE000E018u)

#define GPIOAEN (1u << 0)
#define GPIODEN (1u << 3)
#define BUTTON 0
#define GREEN 12
#define ORANGE 13
#define OUTPUT(pin) (1u << (2 * (pin)))
#define SET(pin) (1u << (pin))
#define RESET(pin) (1u << ((pin) + 16))
#define IWDG_RELOAD 0xAAAAu
/* Core clock, interrupt, counter on. */
#define SYST_START 7u

extern const uint32_t vector_table[];

static const surefoot_board_t board = SUREFOOT_BOARD_F4;
static volatile uint32_t milliseconds;

void SysTick_Handler(void)
{
    milliseconds++;
}

static void start(void)
{
    surefoot_status_t status;

    surefoot_set_vector_table(vector_table);
    RCC_AHB1ENR |= GPIOAEN | GPIODEN;
    /* A clock takes two bus cycles to arrive after its enable bit (ES0182 Rev 14, 2.1.13). */
    (void)RCC_AHB1ENR;
    GPIOD_MODER |= OUTPUT(GREEN) | OUTPUT(ORANGE);
    if (surefoot_status(&board, &status)) {
        GPIOD_BSRR = SET(ORANGE);
    }
    serial_init();
    SYST_RVR = HSI_HZ / 1000 - 1;
    SYST_CVR = 0;
    SYST_CSR = SYST_START;
}

int main(void)
{
    uint32_t changed = 0;
    uint32_t released = 0;
    int on = 0;
    int seen = 0;

    start();
    for (;;) {
        uint32_t now;

        __asm volatile("wfi");
        /* The board's watchdog may be running: the bootloader starts it, only a reset stops it. */
        IWDG_KR = IWDG_RELOAD;
        now = milliseconds;
        if (now - changed >= PERIOD_MS) {
            int works = ((GPIOD_IDR >> GREEN) & 1) == (uint32_t)on;

            changed = now;
            on = !on;
            GPIOD_BSRR = on ? SET(GREEN) : RESET(GREEN);
            /*
             * The self-test: the pin did what it was told. Without it the bootloader goes back to the
             * image before, as it does when the confirmation cannot be written: then nothing is lost.
             */
            if (works && seen < PROOF && ++seen == PROOF) {
                (void)surefoot_confirm(&board);
            }
        }
        if (!(GPIOA_IDR & (1u << BUTTON))) {
            released = now;
        } else if (now - released >= BUTTON_MS) {
            surefoot_request_update(&board);
        }
        serial_serve(&board, &milliseconds);
    }
}
