/*
 * surefoot.h - the application's side of the Surefoot bootloader.
 *
 *     application --surefoot_request_update--> words in RAM, backup register --reset--> bootloader
 *     application <-----surefoot_status------- record in RAM <------jump--------------- bootloader
 *
 * Link with libsurefoot.a (built from app/c for your core) and -Wl,--gc-sections. Nothing here needs
 * an initialisation, an interrupt or a heap. Keep the first SUREFOOT_HANDOFF_LENGTH bytes of RAM out
 * of your linker script's RAM region; the scripts that `surefoot layout` writes do.
 */
#ifndef SUREFOOT_H
#define SUREFOOT_H

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Chip families with a Surefoot bootloader: surefoot_board_t.family. */
#define SUREFOOT_FAMILY_F4 0x00F4u

/* Default of the board file's boot.magic. */
#define SUREFOOT_DEFAULT_MAGIC_WORD 0xDEADBEEFu
/* surefoot_board_t.backup_register: leave the backup domain alone, ask through RAM only. */
#define SUREFOOT_NO_BACKUP_REGISTER 0xFFFFFFFFu
/* Bytes at the start of RAM that belong to bootloader and application together. */
#define SUREFOOT_HANDOFF_LENGTH 32u

/* Why the chip was reset: flags of surefoot_status_t.reset_cause; several can be set. */
#define SUREFOOT_RESET_BROWN_OUT 0x01u
#define SUREFOOT_RESET_PIN 0x02u
#define SUREFOOT_RESET_POWER_ON 0x04u
#define SUREFOOT_RESET_SOFTWARE 0x08u
#define SUREFOOT_RESET_INDEPENDENT_WATCHDOG 0x10u
#define SUREFOOT_RESET_WINDOW_WATCHDOG 0x20u
#define SUREFOOT_RESET_LOW_POWER 0x40u

/*
 * Why the board last stayed in update mode since power came on: surefoot_status_t.reason. A stay that
 * a reset ended does not count.
 */
#define SUREFOOT_REASON_NONE 0u
#define SUREFOOT_REASON_MAGIC_WORD 1u
#define SUREFOOT_REASON_MAGIC_RAM 2u
#define SUREFOOT_REASON_BUTTON 3u
#define SUREFOOT_REASON_DOUBLE_TAP 4u
#define SUREFOOT_REASON_NO_VALID_IMAGE 5u
#define SUREFOOT_REASON_CONFIGURATION 6u
#define SUREFOOT_REASON_REFUSED 7u

/* The board as the application sees it; the values of the board file. */
typedef struct surefoot_board {
    uint32_t family;          /* SUREFOOT_FAMILY_... */
    uint32_t magic_word;      /* boot.magic */
    uint32_t handoff;         /* address of the handoff words: the start of RAM */
    uint32_t backup_register; /* boot.backup-register, or SUREFOOT_NO_BACKUP_REGISTER */
} surefoot_board_t;

/*
 * An STM32F4 board with the board file's defaults. For other values, surefoot_board.h (written by
 * `surefoot layout`) has SUREFOOT_MAGIC_WORD, SUREFOOT_HANDOFF and SUREFOOT_BACKUP_REGISTER.
 */
#define SUREFOOT_BOARD_F4 {SUREFOOT_FAMILY_F4, SUREFOOT_DEFAULT_MAGIC_WORD, 0x20000000u, 0u}

/* What the bootloader told the application before it jumped. */
typedef struct surefoot_status {
    uint8_t version[3];  /* of the bootloader: major, minor, patch */
    uint8_t reset_cause; /* SUREFOOT_RESET_... */
    uint8_t reason;      /* SUREFOOT_REASON_... */
    uint8_t reserved[3]; /* 0 */
    uint32_t slot;       /* first address of the running slot */
} surefoot_status_t;

/*
 * Resets into update mode: writes the magic word into the handoff words and into the backup
 * register, then resets. Returns only, and then false, when the family is not known.
 */
bool surefoot_request_update(const surefoot_board_t *board);

/*
 * Reads the bootloader's record. False, and *status untouched, when there is none: started without
 * Surefoot, or linked over the handoff words.
 */
bool surefoot_status(const surefoot_board_t *board, surefoot_status_t *status);

/*
 * Starts ST's ROM bootloader of the chip, by its name in capitals ("STM32F407VG"). Returns only, and
 * then false, when the chip is not known. On an STM32F4 clocks and peripherals are put back to their
 * reset state first; on other families the application must have done so, caches and MPU included.
 * Call it from thread mode, privileged. A watchdog that runs keeps running.
 */
bool surefoot_jump_to_rom(const char *chip);

/* The same by the address of the ROM's vector table; clocks and peripherals are the caller's. */
void surefoot_jump_to_rom_at(uint32_t table) __attribute__((noreturn));

/* The same by initial stack pointer and entry; clocks and peripherals are the caller's. */
void surefoot_jump_to_rom_entered_at(uint32_t stack_pointer, uint32_t program_counter)
    __attribute__((noreturn));

/*
 * Points VTOR at a vector table. The bootloader has done so already; call it when something else
 * (ST's SystemInit) changed it. The table is aligned to its own size rounded up to a power of two;
 * 512 bytes is enough for every STM32F4.
 */
void surefoot_set_vector_table(const uint32_t *table);

#ifdef __cplusplus
}
#endif

#endif
