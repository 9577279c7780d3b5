/*
 * The time zones of schedules: few, and looked at by many.
 */

#include <string.h>

#include "async_firing.h"


#define ASYNC_FIRING_FRESH  60000       /* ms that a file is believed */


const async_zone_t *
async_firing_zone(async_firings_t *f, async_str_t name, int64_t boot,
    async_error_t *err)
{
    unsigned              i;
    async_firing_zone_t  *zone;

    if (boot >= f->zones_end) {
        async_firing_zones_clean(f);
        f->zones_end = boot + ASYNC_FIRING_FRESH;
    }

    for (i = 0; i < ASYNC_FIRING_ZONES; i++) {
        zone = &f->zones[i];

        if (zone->used && zone->len == name.len
            && (name.len == 0
                || memcmp(zone->name, name.data, name.len) == 0))
        {
            return &zone->file.zone;
        }
    }

    zone = &f->zones[f->turn++ % ASYNC_FIRING_ZONES];

    if (zone->used) {
        async_zone_free(&zone->file);
        zone->used = false;
    }

    if (async_zone_load(&zone->file, name, err) != ASYNC_OK) {
        return NULL;
    }

    zone->used = true;
    zone->len = name.len;

    if (name.len != 0) {
        memcpy(zone->name, name.data, name.len);
    }

    return &zone->file.zone;
}


void
async_firing_zones_clean(async_firings_t *f)
{
    unsigned  i;

    for (i = 0; i < ASYNC_FIRING_ZONES; i++) {
        if (f->zones[i].used) {
            async_zone_free(&f->zones[i].file);
            f->zones[i].used = false;
        }
    }
}
