/* This file accepts connections of Apache's children, on the worker's own socket and on the one of its group. */
#define _GNU_SOURCE
#include "internal.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

/* How much longer than Apache's side this side waits for a frame, so that the side that knows more ends the exchange. */
#define GRACE_MS 2000

static int is_allowed(int fd)
{
    struct ucred peer;
    socklen_t len = sizeof peer;

    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) != 0)
        return 0;
    if (peer.uid == gwd_process.peer_uid || peer.uid == 0)
        return 1;
    gwd_logf_seldom(GOWSGI_LOG_ERR, "GWSGI1004: a process of uid %d (pid %d) connected to the group's socket and was refused: only "
                    "httpd's user (uid %d) may. Find out what that process is", (int)peer.uid, (int)peer.pid, (int)gwd_process.peer_uid);
    return 0;
}

static void set_option(int fd, int option, int value)
{
    if (value)
        setsockopt(fd, SOL_SOCKET, option, &value, sizeof value);
}

static void set_timeout(int fd, int option, int ms)
{
    struct timeval time = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};

    if (gwd_process.socket_timeout_ms)
        setsockopt(fd, SOL_SOCKET, option, &time, sizeof time);
}

static gwd_conn *adopt(int fd)
{
    gwd_conn *conn = is_allowed(fd) ? gwd_conn_new(fd) : NULL;

    if (!conn) {
        close(fd);
        return NULL;
    }
    set_option(fd, SO_RCVBUF, gwd_process.receive_buffer);
    set_option(fd, SO_SNDBUF, gwd_process.send_buffer);
    set_timeout(fd, SO_RCVTIMEO, gwd_process.socket_timeout_ms + GRACE_MS);
    set_timeout(fd, SO_SNDTIMEO, gwd_process.socket_timeout_ms + GRACE_MS);
    return conn;
}

int gwd_listen_prepare(int fd)
{
    return fcntl(fd, F_SETFL, O_NONBLOCK) != 0 || fcntl(fd, F_SETFD, FD_CLOEXEC) != 0 ? -1 : 0;
}

gwd_conn *gwd_listen_accept(int listener)
{
    struct timespec pause = {0, 100000000};
    gwd_conn *conn = NULL;
    int fd;

    while (!conn) {
        fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        if (fd >= 0)
            conn = adopt(fd);
        else if (errno == EAGAIN || errno == EWOULDBLOCK)
            break;
        else if (errno != EINTR && errno != ECONNABORTED) {
            gwd_logf_seldom(GOWSGI_LOG_ERR, "GWSGI1003: the worker cannot accept a connection: %s; it tries again. "
                            "Raise the limit that this names, or find what uses it up", strerror(errno));
            nanosleep(&pause, NULL);
            break;
        }
    }
    return conn;
}
