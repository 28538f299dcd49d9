/*
 * surefoot.h - the application's side of the Surefoot bootloader.
 *
 *     application --surefoot_request_update--> words in RAM, backup register --reset--> bootloader
 *     application <-----surefoot_status------- record in RAM <------jump--------------- bootloader
 *     application --surefoot_confirm---------> journal in flash <---reads, writes------ bootloader
 *     application --surefoot_update_...------> the other slot <-----proves, starts----- bootloader
 *
 * Link with libsurefoot.a (built from app/c for your core) and -Wl,--gc-sections. Nothing here needs
 * an initialisation, an interrupt or a heap. What is needed of the board beyond surefoot_board_t is read
 * from the bootloader's own configuration in flash into RAM: 672 bytes, on the stack, or for good once an
 * update was begun. Call it from thread mode, privileged. Keep the first SUREFOOT_HANDOFF_LENGTH bytes of RAM
 * out of your linker script's RAM region; the scripts that `surefoot layout` writes do.
 */
#ifndef SUREFOOT_H
#define SUREFOOT_H

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * What the functions return. SUREFOOT_FLASH_FAULT and SUREFOOT_IMAGE_FAULT are added to one of the
 * numbers SUREFOOT_FLASH_... and SUREFOOT_IMAGE_... below.
 */
typedef uint32_t surefoot_result_t;
#define SUREFOOT_OK 0u
/* No bootloader with a sealed block at the start of flash, or the program is in none of its slots. */
#define SUREFOOT_NO_BOOTLOADER 1u
/* The board has no journal: nothing is known of trials and updates. */
#define SUREFOOT_NO_JOURNAL 2u
/* The board's strategy is not `ab`: ask for update mode instead, surefoot_request_update. */
#define SUREFOOT_NOT_AB 3u
/* The running image is on trial: it confirms itself first. */
#define SUREFOOT_ON_TRIAL 4u
/* The other slot holds the confirmed image. */
#define SUREFOOT_NOT_OPEN 5u
/* The bytes begin before the end of those that were written already. */
#define SUREFOOT_ORDER 6u
/* The bytes end behind the slot. */
#define SUREFOOT_TOO_LONG 7u
/* surefoot_confirm: no journal, no bootloader, or the image is not on trial. */
#define SUREFOOT_NOTHING_TO_CONFIRM 8u
/* No update is under way. */
#define SUREFOOT_NOT_BEGUN 9u
/* surefoot_board_t.family is not known. */
#define SUREFOOT_UNKNOWN_FAMILY 10u
/* surefoot_confirm: the vector table in force (VTOR) is neither in the running slot nor in RAM. */
#define SUREFOOT_VECTOR_TABLE 11u
/* The flash failed; the update is over, another one may begin. */
#define SUREFOOT_FLASH_FAULT 0x100u
/* What was written is no image for this slot of this board, or it is not whole. */
#define SUREFOOT_IMAGE_FAULT 0x200u

/* Why a flash operation failed (RM0090 Rev 19, 3.9.4); with SUREFOOT_EVENT_UPDATE_FAULT too. */
#define SUREFOOT_FLASH_LOCKED 1u
#define SUREFOOT_FLASH_TIMEOUT 2u
#define SUREFOOT_FLASH_WRITE_PROTECTED 3u
#define SUREFOOT_FLASH_ALIGNMENT 4u
#define SUREFOOT_FLASH_PARALLELISM 5u
#define SUREFOOT_FLASH_SEQUENCE 6u
#define SUREFOOT_FLASH_OPERATION 7u
#define SUREFOOT_FLASH_READ_BACK 8u
#define SUREFOOT_FLASH_NOT_ERASED 9u
#define SUREFOOT_FLASH_READ_PROTECTED 10u

/* Why an image is not accepted; with SUREFOOT_EVENT_REJECTED and SUREFOOT_EVENT_REFUSED too. */
#define SUREFOOT_IMAGE_ERASED 1u
#define SUREFOOT_IMAGE_STACK_POINTER 2u
#define SUREFOOT_IMAGE_RESET_OUTSIDE 3u
#define SUREFOOT_IMAGE_RESET_THUMB 4u
#define SUREFOOT_IMAGE_NO_MANIFEST 5u
#define SUREFOOT_IMAGE_MANIFEST_FORMAT 6u
#define SUREFOOT_IMAGE_MANIFEST_CHECKSUM 7u
#define SUREFOOT_IMAGE_LENGTH 8u
#define SUREFOOT_IMAGE_LOAD_ADDRESS 9u
#define SUREFOOT_IMAGE_CHIP 10u
#define SUREFOOT_IMAGE_BOARD 11u
#define SUREFOOT_IMAGE_CRC 12u
#define SUREFOOT_IMAGE_HASH 13u
#define SUREFOOT_IMAGE_NOT_SIGNED 14u
#define SUREFOOT_IMAGE_UNKNOWN_KEY 15u
#define SUREFOOT_IMAGE_REVOKED_KEY 16u
#define SUREFOOT_IMAGE_SIGNATURE 17u
#define SUREFOOT_IMAGE_UNREADABLE 18u
#define SUREFOOT_IMAGE_NO_VERIFIER 19u
#define SUREFOOT_IMAGE_DOWNGRADE 20u
#define SUREFOOT_IMAGE_REJECTED 21u
#define SUREFOOT_IMAGE_JOURNAL 22u
#define SUREFOOT_IMAGE_NOT_ERASED 23u

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
 * An STM32F4 board with the board file's defaults. surefoot_board.h (written by
 * `surefoot layout`) has SUREFOOT_BOARD, the same with the values of the board file.
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

/* Resets the chip, as after surefoot_update_finish. */
void surefoot_reset(void) __attribute__((noreturn));

/*
 * Confirms the running image: call it once the application knows that it works, and that the next
 * update can reach it. Without it the bootloader goes back to the image before. SUREFOOT_OK: it is
 * confirmed, now or already. SUREFOOT_NOTHING_TO_CONFIRM: no harm, the board has no trials, or the image
 * is not on trial. SUREFOOT_VECTOR_TABLE: VTOR points neither into the running slot nor into RAM, so the
 * image would stop when what is there is replaced; see surefoot_set_vector_table. SUREFOOT_FLASH_FAULT + ...:
 * the journal could not be written. After either the image is still on trial.
 *
 * May be called at every start: it writes only what is not on record. Interrupts are off while a record
 * is written, 32 bytes: 0.13 ms, or 0.5 ms where the supply allows only bytes. There are two, or four when
 * a cut had left a state half recorded. On a chip with one flash bank the core stands still meanwhile, and
 * also for the erase of a journal sector when the one in use is full (250 ms for 16K; DS8626, "Flash memory
 * programming").
 */
surefoot_result_t surefoot_confirm(const surefoot_board_t *board);

/*
 * The running image's own version, as it was signed: major, minor, patch. SUREFOOT_IMAGE_FAULT +
 * SUREFOOT_IMAGE_NO_MANIFEST: it has none.
 */
surefoot_result_t surefoot_version(const surefoot_board_t *board, uint16_t version[3]);

/* surefoot_state_t.running: what the running image is to the bootloader. */
#define SUREFOOT_RUNNING_UNKNOWN 0u
#define SUREFOOT_RUNNING_CONFIRMED 1u
#define SUREFOOT_RUNNING_ON_TRIAL 2u

/* The journal's word on the images. An id is the CRC-32 of the image's manifest; 0 is no image. */
typedef struct surefoot_state {
    uint8_t running;     /* SUREFOOT_RUNNING_... */
    uint8_t rejected;    /* 1: the candidate was rejected, or an update has begun since; 0: neither */
    uint8_t charged;     /* what the candidate's boots cost so far, in eighths of a boot: eight for each,
                            one when the supply was lost before it */
    uint8_t allowed;     /* how much they may cost; 0: trials are not counted on this board */
    uint8_t revoked;     /* mask of the board's keys that confirmed images have revoked */
    uint8_t reserved[3]; /* 0 */
    uint32_t id;         /* of the running image */
    uint32_t confirmed;  /* id of the confirmed image */
    uint32_t candidate;  /* id of the image on trial, or of the one that was rejected last */
    uint32_t floor;      /* security counter below which no image is accepted */
} surefoot_state_t;

/* Reads the journal. On SUREFOOT_NO_BOOTLOADER and SUREFOOT_NO_JOURNAL *state is untouched. */
surefoot_result_t surefoot_state(const surefoot_board_t *board, surefoot_state_t *state);

/* surefoot_event_t.event. */
#define SUREFOOT_EVENT_BOOT 1u         /* after another reset cause than the last time, or a watchdog's */
#define SUREFOOT_EVENT_TRIAL 2u        /* an image on trial was started */
#define SUREFOOT_EVENT_REJECTED 3u     /* detail: SUREFOOT_IMAGE_..., 0: it did not confirm itself */
#define SUREFOOT_EVENT_CONFIRMED 4u    /* the application confirmed itself */
#define SUREFOOT_EVENT_INSTALLED 5u    /* a complete new image is the candidate */
#define SUREFOOT_EVENT_RESTORED 6u     /* the confirmed image was copied back */
#define SUREFOOT_EVENT_BACKED_UP 7u    /* the confirmed image was copied to the backup slot */
#define SUREFOOT_EVENT_UPDATE_BEGUN 8u /* an update is about to change the flash */
#define SUREFOOT_EVENT_UPDATE_FAULT 9u /* detail: SUREFOOT_FLASH_... */
#define SUREFOOT_EVENT_REFUSED 10u     /* an update ended; detail: SUREFOOT_IMAGE_... */

/* A line of the journal. */
typedef struct surefoot_event {
    uint8_t event;       /* SUREFOOT_EVENT_... */
    uint8_t detail;      /* by the event; 0: nothing */
    uint8_t reset_cause; /* SUREFOOT_RESET_... of the last boot on record */
    uint8_t reserved;    /* 0 */
    uint32_t sequence;   /* counts the records; each event has two */
    uint32_t confirmed;  /* id of the image confirmed from then on */
    uint32_t candidate;  /* id of the candidate from then on */
} surefoot_event_t;

/*
 * Writes the newest events to `events`, the newest first: at most `room` of them, and at most 16. Their
 * number goes to *count. Takes 600 bytes of stack.
 */
surefoot_result_t surefoot_events(const surefoot_board_t *board, surefoot_event_t *events, uint32_t room,
                                  uint32_t *count);

/*
 * An update that the application writes while it runs. Its contents are the library's. There is one at a
 * time: from begin to finish or abort nothing else begins one or confirms.
 */
typedef struct surefoot_updater {
    uint32_t words[40];
} surefoot_updater_t;

/*
 * Begins an update of the slot that is not running, on a board of strategy `ab`. *base (if it is not
 * NULL) is where that slot begins: the image is linked for it; *length (if not NULL) are the bytes that
 * it has, the manifest included.
 *
 * SUREFOOT_NO_BOOTLOADER, SUREFOOT_NOT_AB, SUREFOOT_ON_TRIAL, SUREFOOT_NOT_OPEN, or SUREFOOT_FLASH_FAULT
 * + ... when the journal cannot be written: nothing was erased.
 */
surefoot_result_t surefoot_update_begin(surefoot_updater_t *updater, const surefoot_board_t *board,
                                        uint32_t *base, uint32_t *length);

/*
 * Writes `length` bytes at `offset` from the slot's base. Pieces come in ascending order, of any length
 * and alignment; what is left out stays erased.
 *
 * A piece that reaches a new sector waits for its erase, in which a chip with one flash bank stands
 * still: 0.25 s for 16K, 1 s for 128K, at most 2 s, or 4 s where the supply is too low for words
 * (DS8626, "Flash memory programming"). Feed the watchdog between pieces: it wants that every 20 s.
 *
 * SUREFOOT_ORDER and SUREFOOT_TOO_LONG: nothing was done, go on with another piece.
 * SUREFOOT_FLASH_FAULT + ...: the update is over. SUREFOOT_NOT_BEGUN.
 */
surefoot_result_t surefoot_update_write(surefoot_updater_t *updater, uint32_t offset, const void *bytes,
                                        uint32_t length);

/*
 * Ends the update: the image is held against the board and its own CRC-32 (about 2 s for 400K at
 * 16 MHz) and becomes the candidate. It is on trial from the next reset on, surefoot_reset, before which
 * the bootloader proves its signature. SUREFOOT_IMAGE_FAULT + ...: it is refused, the running image
 * stays. SUREFOOT_FLASH_FAULT + ..., SUREFOOT_NOT_BEGUN.
 */
surefoot_result_t surefoot_update_finish(surefoot_updater_t *updater);

/* Gives the update up. The slot then holds no image that anybody starts. */
void surefoot_update_abort(surefoot_updater_t *updater);

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
