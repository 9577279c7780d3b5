/*
 * Time zones as bytes: the clocks of Berlin from 2025 on.
 */

#ifndef ASYNC_TZIF_H
#define ASYNC_TZIF_H


/* version, then: isut, isstd, leap, times, types, chars */

#define TZIF(version, times, types, chars)                                   \
    'T', 'Z', 'i', 'f', version, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,   \
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, times, 0, 0, 0, types,   \
    0, 0, 0, chars

#define BE64(t)                                                              \
    0, 0, 0, 0, (uint8_t) ((uint32_t) (t) >> 24),                            \
    (uint8_t) ((uint32_t) (t) >> 16), (uint8_t) ((uint32_t) (t) >> 8),       \
    (uint8_t) (t)

/* 2025-03-30T01:00Z, 2025-10-26T01:00Z, 2026-03-29T01:00Z */

static const uint8_t  berlin_tzif[] = {
    TZIF('2', 0, 1, 1), 0, 0, 0, 0, 0, 0, 0,
    TZIF('2', 3, 2, 9),
    BE64(1743296400), BE64(1761440400), BE64(1774746000),
    1, 0, 1,
    0, 0, 0x0e, 0x10, 0, 0,   0, 0, 0x1c, 0x20, 1, 4,
    'C', 'E', 'T', 0, 'C', 'E', 'S', 'T', 0,
    '\n', 'C', 'E', 'T', '-', '1', 'C', 'E', 'S', 'T', ',',
    'M', '3', '.', '5', '.', '0', ',', 'M', '1', '0', '.', '5', '.', '0',
    '/', '3', '\n'
};


#endif /* ASYNC_TZIF_H */
