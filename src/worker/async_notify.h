/*
 * sd_notify(3) without libsystemd: a datagram of a few words to the socket
 * that the service manager names in the environment.  Without one, nothing
 * happens here.
 */

#ifndef ASYNC_NOTIFY_H
#define ASYNC_NOTIFY_H


/* "READY=1", "STOPPING=1", "WATCHDOG=1", "STATUS=…"; newline between them */
void async_notify(const char *state);
/* ms between signs of life, half of what is asked; 0 = none are asked */
int async_notify_interval(void);


#endif /* ASYNC_NOTIFY_H */
