/*
 * An update over a serial line, received while the application runs: 115200 baud 8N1 on USART2, PA2
 * (TX) and PA3 (RX). For boards of strategy `ab`. The protocol is in ../README.md.
 *
 * Registers: RM0090 Rev 19, 7.3.13 (RCC), 8.4 (GPIO), 21.4.1 (IWDG), 30.6 (USART).
 */
#include "serial.h"

#include <stddef.h>

#define REGISTER(address) (*(volatile uint32_t *)(address))
#define RCC_APB1ENR REGISTER(0x40023840u)
#define GPIOA_MODER REGISTER(0x40020000u)
#define GPIOA_AFRL REGISTER(0x40020020u)
#define USART2_SR REGISTER(0x40004400u)
#define USART2_DR REGISTER(0x40004404u)
#define USART2_BRR REGISTER(0x40004408u)
#define USART2_CR1 REGISTER(0x4000440Cu)
#define IWDG_KR REGISTER(0x40003000u)

#define USART2EN (1u << 17)
#define TX 2
#define RX 3
/* DS8626, table 9: AF7 is USART2. */
#define ALTERNATE(pin) (2u << (2 * (pin)))
#define AF7(pin) (7u << (4 * (pin)))
/* 30.3.4: 16 MHz / 115200, in sixteenths. */
#define BRR 139u
/* Receiver, transmitter, USART on. */
#define CR1 (1u << 2 | 1u << 3 | 1u << 13)
#define RXNE (1u << 5)
#define TC (1u << 6)
#define TXE (1u << 7)
#define IWDG_RELOAD 0xAAAAu
#define SILENCE_MS 1000u
/* Reads in which the line has sent two frames of 87 us each, and more. */
#define PATIENCE 10000
/* In place of a byte: the line fell silent. */
#define SILENCE (-1)

void serial_init(void)
{
    RCC_APB1ENR |= USART2EN;
    /* A clock takes two bus cycles to arrive after its enable bit (ES0182 Rev 14, 2.1.13). */
    (void)RCC_APB1ENR;
    GPIOA_AFRL |= AF7(TX) | AF7(RX);
    GPIOA_MODER |= ALTERNATE(TX) | ALTERNATE(RX);
    USART2_BRR = BRR;
    USART2_CR1 = CR1;
}

static void wait(uint32_t flag)
{
    int reads;

    for (reads = 0; reads < PATIENCE && !(USART2_SR & flag); reads++) {
    }
}

static void send(uint8_t byte)
{
    wait(TXE);
    USART2_DR = byte;
}

static void send_word(uint32_t word)
{
    int i;

    for (i = 0; i < 4; i++) {
        send((uint8_t)(word >> (8 * i)));
    }
}

static int receive(const volatile uint32_t *clock)
{
    uint32_t since = *clock;

    while (*clock - since < SILENCE_MS) {
        IWDG_KR = IWDG_RELOAD;
        if (USART2_SR & RXNE) {
            return (int)(USART2_DR & 0xFFu);
        }
    }
    return SILENCE;
}

/* SUREFOOT_NOT_BEGUN: the line fell silent. */
static surefoot_result_t update(const surefoot_board_t *board, const volatile uint32_t *clock)
{
    static surefoot_updater_t updater;
    uint8_t piece[255];
    uint32_t offset = 0;
    uint32_t base;
    surefoot_result_t result = surefoot_update_begin(&updater, board, &base, NULL);

    if (result != SUREFOOT_OK) {
        return result;
    }
    send('k');
    send_word(base);
    for (;;) {
        int length = receive(clock);
        int i;

        if (length == 0) {
            return surefoot_update_finish(&updater);
        }
        for (i = 0; i < length; i++) {
            int byte = receive(clock);

            if (byte == SILENCE) {
                break;
            }
            piece[i] = (uint8_t)byte;
        }
        if (length == SILENCE || i < length) {
            surefoot_update_abort(&updater);
            return SUREFOOT_NOT_BEGUN;
        }
        result = surefoot_update_write(&updater, offset, piece, (uint32_t)length);
        if (result != SUREFOOT_OK) {
            return result;
        }
        offset += (uint32_t)length;
        send('k');
    }
}

void serial_serve(const surefoot_board_t *board, const volatile uint32_t *clock)
{
    surefoot_result_t result;

    if (!(USART2_SR & RXNE) || (USART2_DR & 0xFFu) != 'U') {
        return;
    }
    result = update(board, clock);
    if (result == SUREFOOT_OK) {
        send('k');
        /* The answer has to be out before the reset. */
        wait(TC);
        surefoot_reset();
    }
    if (result != SUREFOOT_NOT_BEGUN) {
        send('e');
        send_word(result);
    }
}
