"""Run a command with a terminal, and take the terminal away.

hang-up.py DESCRIPTORS HOW UNTIL LOG ARGUMENT...

DESCRIPTORS  which of 0, 1 and 2 are the terminal, as "012"; of the others, 0 is /dev/null, 1 and 2 are the file LOG
HOW          "hup": it is the terminal of the command's session, whose end sends SIGHUP; "gone": of none, which sends
             nothing; "read": as "hup", but the command alone has the terminal open, and it is taken away when reading
             it tells its end; or the name of a signal, which is sent while the terminal stays
UNTIL        what is waited for before: a path, for the file to be there; else a text, for the terminal to show it; not
             with "read"
Prints "STATUS SIGNAL", one of them "-".
"""
import fcntl
import os
import select
import signal
import sys
import termios

descriptors, how, until, log, *arguments = sys.argv[1:]
master, slave = os.openpty()
before = termios.tcgetattr(slave)
child = os.fork()
if child == 0:
    os.setsid()
    if how != "gone":
        fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
    null = os.open("/dev/null", os.O_RDONLY)
    file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for fd in range(3):
        os.dup2(slave if str(fd) in descriptors else file if fd > 0 else null, fd)
    os.closerange(3, 100)
    os.execv(arguments[0], arguments)

shown = b""
status = None


def read(timeout):
    global shown
    if master in select.select([master], [], [], timeout)[0]:
        shown += os.read(master, 65536)


def is_time():
    return os.path.exists(until) if until.startswith("/") else until.encode() in shown


def has_ended(options):
    global status
    done, ended = os.waitpid(child, options)
    if done != 0:
        status = ended
    return done != 0


def read_to_end():
    global shown
    try:
        while part := os.read(master, 65536):
            shown += part
    except OSError:
        pass  # EIO: nobody has the other end open.


if how == "read":
    os.close(slave)
    read_to_end()
    os.close(master)
    has_ended(0)
while status is None and not is_time():
    read(0.01)
    if has_ended(os.WNOHANG):
        sys.exit(f"ended with {status} before its time, having shown {shown}")
if how in ("hup", "gone"):
    os.close(slave)
    os.close(master)
elif how != "read":
    os.kill(child, getattr(signal, how))
while status is None and not has_ended(0 if how in ("hup", "gone") else os.WNOHANG):
    read(0.01)
if how not in ("hup", "gone", "read") and termios.tcgetattr(slave) != before:
    sys.exit("the terminal has other modes than before")
if os.WIFEXITED(status):
    print(os.WEXITSTATUS(status), "-")
else:
    print("-", signal.Signals(os.WTERMSIG(status)).name)
