/*
 * A disk as the log of preload_record.so describes it: what is certainly on
 * it, and what is on its way.
 *
 * Certain is what was synced: the bytes of a file by its own fsync, a name by
 * the fsync of its folder.  Anything newer is there or not, write by write or
 * sector by sector, whatever the order in which it was written; so is what
 * the interrupted call was about to do.
 */

#ifndef POWER_DISK_H
#define POWER_DISK_H

#include <fcntl.h>
#include <sys/stat.h>

#include "driver.h"
#include "record_log.h"


#define DISK_FILES   20000
#define DISK_NAMES   256                     /* of a folder, for good */
#define DISK_SECTOR  512

typedef struct disk_file_s  disk_file_t;

typedef struct {
    char          name[64];
    disk_file_t  *file;                      /* NULL: the name is removed */
} disk_name_t;

/* an entry of the log is a change of bytes, or one or two of names */

struct disk_file_s {
    bool                    folder;
    uint64_t                ino;

    uint8_t                *bytes;           /* certain */
    size_t                  len;
    size_t                  room;
    const record_entry_t  **writes;          /* on their way */
    unsigned                nwrites;

    disk_name_t            *names;           /* of a folder, certain */
    unsigned                nnames;
    disk_name_t            *renames;         /* on their way, in pairs: the
                                                name that goes, if any, and
                                                the one that comes */
    unsigned                nrenames;

    disk_name_t            *seen;            /* what the process sees */
    unsigned                nseen;
};

typedef struct {
    disk_file_t   files[DISK_FILES];
    unsigned      nfiles;
    disk_file_t  *root;
} disk_t;


/* --- names --- */

static inline void
disk_set_name(disk_name_t **names, unsigned *n, const char *name,
    disk_file_t *file)
{
    unsigned  i;

    for (i = 0; i < *n && strcmp((*names)[i].name, name) != 0; i++) {
        /* void */
    }

    if (file == NULL) {
        if (i < *n) {
            (*names)[i] = (*names)[--(*n)];
        }

        return;
    }

    if (i == *n) {
        *names = realloc(*names, (*n + 1) * sizeof(disk_name_t));
        (void) snprintf((*names)[i].name, sizeof((*names)[i].name), "%s",
                        name);
        (*n)++;
    }

    (*names)[i].file = file;
}


static inline disk_file_t *
disk_find(const disk_file_t *folder, const char *name, size_t len)
{
    unsigned  i;

    for (i = 0; i < folder->nseen; i++) {
        if (strlen(folder->seen[i].name) == len
            && memcmp(folder->seen[i].name, name, len) == 0)
        {
            return folder->seen[i].file;
        }
    }

    return NULL;
}


/* the folder that path lies in, and its last name */

static inline disk_file_t *
disk_folder(disk_t *disk, const char *path, const char **name)
{
    const char   *slash;
    disk_file_t  *folder;

    folder = disk->root;

    for (*name = path; (slash = strchr(*name, '/')) != NULL;
         *name = slash + 1)
    {
        folder = disk_find(folder, *name, (size_t) (slash - *name));

        if (folder == NULL) {
            die("no folder for %s", path);
        }
    }

    return folder;
}


static inline void
disk_change_name(disk_file_t *folder, const char *old, const char *new,
    disk_file_t *file)
{
    disk_name_t  *pair;

    folder->renames = realloc(folder->renames,
                              (folder->nrenames + 2) * sizeof(disk_name_t));
    pair = folder->renames + folder->nrenames;
    folder->nrenames += 2;

    (void) snprintf(pair[0].name, sizeof(pair[0].name), "%s", old);
    (void) snprintf(pair[1].name, sizeof(pair[1].name), "%s", new);
    pair[0].file = NULL;
    pair[1].file = file;

    disk_set_name(&folder->seen, &folder->nseen, old, NULL);
    disk_set_name(&folder->seen, &folder->nseen, new, file);
}


static inline void
disk_rename(disk_t *disk, const char *old, const char *new)
{
    const char   *from, *to;
    disk_file_t  *source, *target, *file;

    source = disk_folder(disk, old, &from);
    target = disk_folder(disk, new, &to);
    file = disk_find(source, from, strlen(from));

    if (source == target) {
        disk_change_name(source, from, to, file);

    } else {
        disk_change_name(target, "", to, file);
        disk_change_name(source, from, "", NULL);
    }
}


static inline disk_file_t *
disk_file(disk_t *disk, uint64_t ino)
{
    unsigned  i;

    /* the newest: a number is used again when its file is gone */

    for (i = disk->nfiles; i > 0; i--) {
        if (disk->files[i - 1].ino == ino) {
            return &disk->files[i - 1];
        }
    }

    return NULL;
}


static inline void
disk_create(disk_t *disk, const record_entry_t *entry, const char *path)
{
    const char   *name;
    disk_file_t  *folder, *file;

    if (disk->nfiles == DISK_FILES) {
        die("more than %d files", DISK_FILES);
    }

    folder = disk_folder(disk, path, &name);

    file = &disk->files[disk->nfiles++];
    file->ino = entry->ino;
    file->folder = entry->type == RECORD_MKDIR;

    disk_change_name(folder, "", name, file);
}


/* --- bytes --- */

static inline void
disk_room(uint8_t **bytes, size_t *len, size_t *room, size_t end)
{
    if (end > *room) {
        *room = end * 2;
        *bytes = realloc(*bytes, *room);
    }

    if (end > *len) {
        memset(*bytes + *len, 0, end - *len);
        *len = end;
    }
}


/* all of a write, or with odds (of 256) each sector by chance */

static inline void
disk_write(uint8_t **bytes, size_t *len, size_t *room,
    const record_entry_t *entry, unsigned odds, uint64_t *seed)
{
    size_t          at, end, next;
    const uint8_t  *data;

    if (entry->type == RECORD_SIZE) {
        disk_room(bytes, len, room, entry->at);
        *len = entry->at;
        return;
    }

    data = (const uint8_t *) (entry + 1);
    end = entry->at + entry->len;

    for (at = entry->at; at < end; at = next) {
        next = odds == 256 ? end : (at / DISK_SECTOR + 1) * DISK_SECTOR;
        next = next < end ? next : end;

        if (odds == 256 || driver_below(seed, 256) < odds) {
            disk_room(bytes, len, room, next);
            memcpy(*bytes + at, data + (at - entry->at), next - at);
        }
    }
}


static inline void
disk_on_its_way(disk_file_t *file, const record_entry_t *entry)
{
    file->writes = realloc(file->writes,
                           (file->nwrites + 1) * sizeof(entry));
    file->writes[file->nwrites++] = entry;
}


static inline void
disk_sync(disk_file_t *file)
{
    unsigned  i;

    for (i = 0; i < file->nwrites; i++) {
        disk_write(&file->bytes, &file->len, &file->room, file->writes[i],
                   256, NULL);
    }

    for (i = 0; i < file->nrenames; i++) {
        disk_set_name(&file->names, &file->nnames, file->renames[i].name,
                      file->renames[i].file);
    }

    file->nwrites = 0;
    file->nrenames = 0;
}


/* what returned when it was on the disk, and all of the pages it went to */

static inline void
disk_sync_write(disk_file_t *file, const record_entry_t *entry)
{
    unsigned               i, left;
    uint64_t               begin, end;
    const record_entry_t  *w;

    begin = entry->at / 4096 * 4096;
    end = (entry->at + entry->len + 4095) / 4096 * 4096;
    left = 0;

    for (i = 0; i < file->nwrites; i++) {
        w = file->writes[i];

        if (w->type == RECORD_WRITE && w->at < end && w->at + w->len > begin) {
            disk_write(&file->bytes, &file->len, &file->room, w, 256, NULL);

        } else {
            file->writes[left++] = w;
        }
    }

    file->nwrites = left;
}


/* --- the log --- */

static inline disk_file_t *
disk_of(disk_t *disk, const record_entry_t *entry)
{
    return entry->ino == disk->root->ino ? disk->root
                                         : disk_file(disk, entry->ino);
}


/* a call has begun: what it changes is on its way */

static inline void
disk_begin(disk_t *disk, const record_entry_t *entry)
{
    const char   *path, *name;
    disk_file_t  *folder;

    path = (const char *) (entry + 1);

    switch (entry->type) {

    case RECORD_CREATE:
    case RECORD_MKDIR:
        disk_create(disk, entry, path);
        break;

    case RECORD_RENAME:
        disk_rename(disk, path, path + strlen(path) + 1);
        break;

    case RECORD_UNLINK:
        folder = disk_folder(disk, path, &name);
        disk_change_name(folder, name, "", NULL);
        break;

    case RECORD_WRITE:
    case RECORD_SIZE:
        disk_on_its_way(disk_of(disk, entry), entry);
        break;

    case RECORD_SYNC:
        break;

    default:
        die("the log is damaged");
    }
}


/* it has returned */

static inline void
disk_end(disk_t *disk, const record_entry_t *entry)
{
    if (entry->type == RECORD_SYNC) {
        disk_sync(disk_of(disk, entry));

    } else if (entry->type == RECORD_WRITE && entry->dsync) {
        disk_sync_write(disk_of(disk, entry), entry);
    }
}


static inline const record_entry_t *
disk_next(const record_entry_t *entry)
{
    return (const record_entry_t *) ((const char *) (entry + 1)
                                     + (entry->len + 7) / 8 * 8);
}


/* --- a state after a power cut --- */

typedef struct {
    uint64_t   seed;
    unsigned   odds;                         /* of a write or name, of 256 */
    bool       torn;                         /* sector by sector */
    uint8_t   *bytes;                        /* room for a file */
    size_t     room;
} disk_cut_t;


static inline void
disk_leave_bytes(disk_cut_t *cut, int dir_fd, const char *name,
    const disk_file_t *file)
{
    int        fd;
    size_t     len;
    unsigned   i;

    len = 0;
    disk_room(&cut->bytes, &len, &cut->room, file->len);

    if (file->len > 0) {
        memcpy(cut->bytes, file->bytes, file->len);
    }

    for (i = 0; i < file->nwrites; i++) {
        if (cut->torn || driver_below(&cut->seed, 256) < cut->odds) {
            disk_write(&cut->bytes, &len, &cut->room, file->writes[i],
                       cut->torn ? cut->odds : 256, &cut->seed);
        }
    }

    fd = openat(dir_fd, name, O_WRONLY|O_CREAT|O_TRUNC|O_CLOEXEC, 0600);

    if (fd == -1 || write(fd, cut->bytes, len) != (ssize_t) len) {
        die("cannot write %s", name);
    }

    close(fd);
}


/* what was written through maps: anything */

static inline bool
disk_leave_map(disk_cut_t *cut, int dir_fd, const char *name)
{
    int                       fd;
    size_t                    len;
    unsigned                  i;
    static const char *const  maps[] = { "lock.mdb", "door", "bell" };

    for (i = 0; i < 3 && strcmp(name, maps[i]) != 0; i++) {
        /* void */
    }

    if (i == 3) {
        return false;
    }

    len = driver_below(&cut->seed, 10000);
    driver_fill(&cut->seed, (char *) cut->bytes, len);
    memset(cut->bytes, 0, driver_below(&cut->seed, 2) ? len : 0);

    fd = openat(dir_fd, name, O_WRONLY|O_CREAT|O_TRUNC|O_CLOEXEC, 0600);

    if (fd == -1 || write(fd, cut->bytes, len) != (ssize_t) len) {
        die("cannot write %s", name);
    }

    close(fd);

    return true;
}


static inline void
disk_leave(disk_cut_t *cut, int dir_fd, const disk_file_t *folder)
{
    int           fd;
    unsigned      i, n;
    disk_name_t  *names;

    n = folder->nnames;
    names = malloc((n + 1) * sizeof(disk_name_t));

    if (n > 0) {
        memcpy(names, folder->names, n * sizeof(disk_name_t));
    }

    for (i = 0; i < folder->nrenames; i += 2) {
        if (driver_below(&cut->seed, 256) < cut->odds) {
            disk_set_name(&names, &n, folder->renames[i].name, NULL);
            disk_set_name(&names, &n, folder->renames[i + 1].name,
                          folder->renames[i + 1].file);
        }
    }

    for (i = 0; i < n; i++) {

        if (!names[i].file->folder) {
            if (!disk_leave_map(cut, dir_fd, names[i].name)) {
                disk_leave_bytes(cut, dir_fd, names[i].name, names[i].file);
            }

            continue;
        }

        (void) mkdirat(dir_fd, names[i].name, 0755);
        fd = openat(dir_fd, names[i].name, O_RDONLY|O_DIRECTORY|O_CLOEXEC);

        if (fd == -1) {
            die("cannot make %s", names[i].name);
        }

        disk_leave(cut, fd, names[i].file);
        close(fd);
    }

    free(names);
}


#endif /* POWER_DISK_H */
