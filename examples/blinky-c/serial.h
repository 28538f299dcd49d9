/* An update over a serial line, received while the application runs. */
#ifndef SERIAL_H
#define SERIAL_H

#include <stdint.h>

#include "surefoot.h"

/* Sets the line up. */
void serial_init(void);

/* Receives an update if somebody asks for one; else returns at once. *clock counts milliseconds. */
void serial_serve(const surefoot_board_t *board, const volatile uint32_t *clock);

#endif
