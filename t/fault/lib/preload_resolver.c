/*
 * Names are asked of a server of the test's own, by the C library's resolver
 * as it is; and nobody gets off this machine.
 *
 *   ASYNC_RESOLVER  port of that server on 127.0.0.1, UDP
 *   ASYNC_CONNECTS  file that gets a line for each TCP connection that was
 *                   begun: "address port"
 *   ASYNC_HANGS     file that appears when a name was asked for that has
 *                   "hang" in it; no answer comes until it is gone
 */

#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <nss.h>
#include <resolv.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>


typedef int (*getaddrinfo_pt)(const char *node, const char *service,
    const struct addrinfo *hints, struct addrinfo **res);
typedef int (*connect_pt)(int fd, const struct sockaddr *addr, socklen_t len);


static void
resolver_hang(void)
{
    int          fd;
    const char  *path;

    path = getenv("ASYNC_HANGS");
    fd = path != NULL ? open(path, O_WRONLY|O_CREAT|O_CLOEXEC, 0644) : -1;

    if (fd == -1) {
        abort();
    }

    close(fd);

    while (access(path, F_OK) == 0) {
        usleep(20000);
    }
}


int
getaddrinfo(const char *node, const char *service,
    const struct addrinfo *hints, struct addrinfo **res)
{
    const char      *port;
    getaddrinfo_pt   real;

    real = (getaddrinfo_pt) dlsym(RTLD_NEXT, "getaddrinfo");
    port = getenv("ASYNC_RESOLVER");

    if (port == NULL) {
        return real(node, service, hints, res);
    }

    if (node != NULL && strstr(node, "hang") != NULL) {
        resolver_hang();
    }

    (void) __nss_configure_lookup("hosts", "dns");
    (void) res_init();

    _res.nscount = 1;
    _res.retrans = 5;
    _res.retry = 2;
    _res.nsaddr_list[0].sin_family = AF_INET;
    _res.nsaddr_list[0].sin_port = htons((uint16_t) atoi(port));
    _res.nsaddr_list[0].sin_addr.s_addr = htonl(INADDR_LOOPBACK);

    return real(node, service, hints, res);
}


/* true: it leads to a socket of this machine */

static int
connect_logged(const struct sockaddr *addr)
{
    int                         fd, n;
    char                        text[INET6_ADDRSTRLEN], line[128];
    const char                 *path;
    const struct sockaddr_in   *in;
    const struct sockaddr_in6  *in6;

    in = (const struct sockaddr_in *) addr;
    in6 = (const struct sockaddr_in6 *) addr;
    path = getenv("ASYNC_CONNECTS");

    if (addr->sa_family == AF_INET) {
        inet_ntop(AF_INET, &in->sin_addr, text, sizeof(text));

    } else {
        inet_ntop(AF_INET6, &in6->sin6_addr, text, sizeof(text));
    }

    if (path != NULL) {
        n = snprintf(line, sizeof(line), "%s %u\n", text,
                     (unsigned) ntohs(in->sin_port));
        fd = open(path, O_WRONLY|O_CREAT|O_APPEND|O_CLOEXEC, 0644);

        if (fd == -1 || write(fd, line, (size_t) n) != n) {
            abort();
        }

        close(fd);
    }

    return strncmp(text, "127.", 4) == 0 || strcmp(text, "::1") == 0
           || strncmp(text, "::ffff:127.", 11) == 0
           || strcmp(text, "0.0.0.0") == 0 || strcmp(text, "::") == 0;
}


int
connect(int fd, const struct sockaddr *addr, socklen_t len)
{
    int         type;
    socklen_t   size;
    connect_pt  real;

    real = (connect_pt) dlsym(RTLD_NEXT, "connect");
    size = sizeof(type);

    if ((addr->sa_family == AF_INET || addr->sa_family == AF_INET6)
        && getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0
        && type == SOCK_STREAM && !connect_logged(addr))
    {
        errno = ECONNREFUSED;
        return -1;
    }

    return real(fd, addr, len);
}
