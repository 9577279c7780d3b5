/*
 * The commands: each file of a family has a table of its own, which ends with
 * a name that is NULL.
 */

#ifndef ASYNC_COMMAND_H
#define ASYNC_COMMAND_H

#include "async_options.h"


#define async_option_bit(option)  (1u << ASYNC_OPTION_##option)

typedef struct {
    const char  *name;
    unsigned     options;             /* besides the global ones */
    const char  *arg;                 /* what it wants one of, NULL = none */
    bool         many;                /* or more of it */
    int        (*run)(const async_options_t *options);
    const char  *line;                /* of nginx-async --help */
    const char  *help;
} async_command_t;


extern const async_command_t  async_commands_worker[];
extern const async_command_t  async_commands_jobs[];
extern const async_command_t  async_commands_act[];
extern const async_command_t  async_commands_queue[];
extern const async_command_t  async_commands_schedule[];
extern const async_command_t  async_commands_hooks[];
extern const async_command_t  async_commands_store[];


#endif /* ASYNC_COMMAND_H */
