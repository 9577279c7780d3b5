package AsyncTest;

# What flow and fault tests stand on: an nginx, a worker and a recording
# backend of their own, under build/t/<name of the test>, and HTTP by the
# byte.  Core Perl only.
#
#   my $t = AsyncTest->new(http => <<'END');
#       server {
#           listen 127.0.0.1:%%PORT%%;
#           location /reports { async on; proxy_pass http://%%BACKEND%%; }
#           location /jobs/   { async_status; }
#       }
#   END
#   $t->start;                                  # backend, nginx, worker
#   my $answer = $t->submit('/reports?sleep=1', body => 'x');   # 202
#   my $job    = $t->wait_job($answer);         # the document, finished
#   my $result = $t->get("$job->{resultUrl}");
#   $t->done;                                   # stops, checks the logs
#
# In configuration, %%PORT%% and %%PORT_<any name>%% are free ports,
# %%BACKEND%% the backend's host:port, %%ROOT%% the test's folder, %%STORE%%
# the store's.

use strict;
use warnings;

use Carp qw(croak);
use Cwd qw(abs_path);
use Exporter qw(import);
use Fcntl qw(LOCK_EX);
use File::Basename qw(basename dirname);
use File::Path qw(make_path remove_tree);
use File::Temp qw(tempdir);
use IO::Select;
use IO::Socket::INET;
use IO::Socket::UNIX;
use JSON::PP ();
use POSIX qw(WNOHANG);
use Test::More;
use Time::HiRes qw(sleep time);

our @EXPORT = qw(poll_until pattern slurp bad_log_lines);

my $top = abs_path(dirname(__FILE__) . '/../..');

sub top { return $top }


# --- small things ---------------------------------------------------------

# under valgrind all takes its time
my $patience = $ENV{ASYNC_VALGRIND} ? 10 : 1;


# calls the sub until it returns something true, which is returned; undef
# when the seconds are over
sub poll_until {
    my ($seconds, $sub) = @_;
    my $deadline = time + $seconds * $patience;
    my $pause    = 0.005;

    while (1) {
        my $value = $sub->();
        return $value if $value;
        return if time > $deadline;
        sleep $pause;
        $pause = $pause * 1.5 < 0.1 ? $pause * 1.5 : 0.1;
    }
}


# the backend's bytes for ?size=N
sub pattern {
    my ($size) = @_;
    my $whole = join '', map { sprintf "%015d\n", $_ * 16 }
                             0 .. int($size / 16);
    return substr $whole, 0, $size;
}


sub slurp {
    my ($path) = @_;
    open my $in, '<:raw', $path or return;
    local $/;
    my $content = <$in>;
    return defined $content ? $content : '';
}


# lines of a log that no test may leave behind, less those that the test
# said it would cause (expect_log); the list lies beside the log
sub bad_log_lines {
    my ($log) = @_;
    my $list     = slurp(dirname($log) . '/expected-log');
    my @expected = map { qr/$_/ } grep { length }
                   split /\n/, defined $list ? $list : '';
    my @bad;

    for my $line (split /\n/, slurp($log) // '') {
        next if $line !~ /\[(?:alert|crit|emerg)\]/;
        push @bad, $line if !grep { $line =~ $_ } @expected;
    }

    return @bad;
}


sub _free_port {
    my $socket = IO::Socket::INET->new(
        LocalAddr => '127.0.0.1', Proto => 'tcp', Listen => 1,
    ) or die "no free port: $!";
    return $socket->sockport;
}


# --- the test's folder and configuration ----------------------------------

# http     inside http {}
# main     outside of it
# events   inside events {}
# workers  nginx workers, 1; connections: of each, 1024
# daemon   on: nginx leaves the process that started it, off
# store    what follows async_store's path, e.g. 'sync=relaxed'; undef: none
# user     of the nginx workers when the test runs as root; the owner of
#          the checkout is the default, another gets a folder in /tmp
# name     of the folder, if there is more than one in a test
sub new {
    my ($class, %args) = @_;
    my $name = $args{name} || basename($0) =~ s/\.t$//r;
    my $self = bless {
        top     => $top,
        nginx   => $ENV{TEST_NGINX_BINARY} || "$top/build/nginx",
        module  => "$top/build/ngx_http_async_module.so",
        program => "$top/build/nginx-async",
        root    => "$top/build/t/$name",
        store   => '',
        workers => 1,
        connections => 1024,
        daemon  => 'off',
        main    => '', events => '', http => '',
        ports   => {},
        pids    => {},
        %args,
    }, $class;

    my $owner = getpwuid((stat $top)[4]) || 'root';
    my $link  = $self->{root};

    make_path("$top/build/t");
    _lock($link);
    remove_tree(readlink $link), unlink $link if -l $link;
    remove_tree($link);

    if ($> == 0 && ($self->{user} ||= $owner) ne $owner) {
        $self->{root} = tempdir('async-XXXXXX', TMPDIR => 1);
        chmod 0755, $self->{root};
        symlink $self->{root}, $link or die "symlink $link: $!";
    }

    make_path($self->{root}, "$self->{root}/html", "$self->{root}/backend");
    $self->{store_path} = "$self->{root}/async_temp";
    push @AsyncTest::running, $self;

    return $self;
}


# one run of a test at a time: another would remove the folder under it
my %locks;

sub _lock {
    my ($folder) = @_;
    return if $locks{$folder};
    open $locks{$folder}, '>', "$folder.lock" or die "$folder.lock: $!";
    flock $locks{$folder}, LOCK_EX or die "$folder.lock: $!";
    return;
}


sub root  { return $_[0]{root} }
sub store { return $_[0]{store_path} }


sub port {
    my ($self, $name) = @_;
    return $self->{ports}{ $name // '' } ||= _free_port();
}


sub expand {
    my ($self, $text) = @_;
    $text =~ s/%%PORT(?:_(\w+))?%%/$self->port($1)/ge;
    $text =~ s/%%BACKEND%%/'127.0.0.1:' . $self->port('BACKEND')/ge;
    $text =~ s/%%ROOT%%/$self->{root}/g;
    $text =~ s/%%STORE%%/$self->{store_path}/g;
    return $text;
}


sub write_file {
    my ($self, $name, $content) = @_;
    my $path = $name =~ m{^/} ? $name : "$self->{root}/$name";
    make_path(dirname($path));
    open my $out, '>:raw', $path or die "$path: $!";
    print $out $content;
    close $out or die "$path: $!";
    return $path;
}


# cert.pem and key.pem in the test's folder
sub make_certificate {
    my ($self, $name) = @_;
    my $root = $self->{root};
    my @command = (qw(openssl req -x509 -newkey ec -pkeyopt
                      ec_paramgen_curve:prime256v1 -nodes -days 2),
                   '-subj', "/CN=$name", '-keyout', "$root/key.pem",
                   '-out', "$root/cert.pem");

    system("@command 2>$root/openssl.log") == 0
        or die slurp("$root/openssl.log");
    return $self;
}


sub write_conf {
    my ($self) = @_;
    my $user  = $> == 0 ? "user $self->{user};" : '';
    my $store = defined $self->{store}
                ? "async_store %%STORE%% $self->{store};" : '';
    my $temp  = join "\n", map { "    ${_}_temp_path ${_}_temp;" }
                qw(client_body proxy fastcgi uwsgi scgi);

    return $self->write_file('nginx.conf', $self->expand(<<"END"));
load_module $self->{module};
daemon $self->{daemon};
$user
worker_processes $self->{workers};
pid nginx.pid;
error_log error.log info;
$self->{main}

events {
    worker_connections $self->{connections};
    $self->{events}
}

http {
    access_log access.log;
$temp
    $store

$self->{http}
}
END
}


# --- processes ------------------------------------------------------------

# all in the test's folder, stdout and stderr into a log of their own
sub spawn {
    my ($self, $what, @command) = @_;
    my $pid = fork // die "fork: $!";

    if ($pid == 0) {
        open STDIN, '<', '/dev/null';
        open STDOUT, '>>', "$self->{root}/$what.log" or die $!;
        open STDERR, '>&', \*STDOUT;
        chdir $self->{root};
        $SIG{$_} = 'DEFAULT' for qw(INT TERM);
        exec { $command[0] } @command or print STDERR "$command[0]: $!\n";
        POSIX::_exit(127);
    }

    $self->{pids}{$what} = $pid;
    return $pid;
}


# true when the process has ended within the seconds; $? is its status
sub wait_end {
    my ($self, $what, $seconds) = @_;
    my $pid = $self->{pids}{$what} // return 1;
    my $gone = poll_until($seconds, sub {
        my $waited = waitpid $pid, WNOHANG;
        return $waited == $pid || $waited == -1 && !_lives($pid);
    });

    delete $self->{pids}{$what} if $gone;
    return $gone;
}


# for one that is not a child of ours, as a master that came by an upgrade
sub _lives {
    my ($pid) = @_;
    return (slurp("/proc/$pid/stat") // '') =~ /^\d+ \(.*\) [^ZX]/s;
}


# ends it by a signal; after the seconds by KILL, which is false
sub stop {
    my ($self, $what, $signal, $seconds) = @_;
    my $pid = $self->{pids}{$what} // return 1;

    kill $signal || 'TERM', $pid;
    return 1 if $self->wait_end($what, $seconds || 30);

    kill 'KILL', $pid;
    $self->wait_end($what, 10);
    return 0;
}


sub pid { return $_[0]{pids}{ $_[1] } }


# processes whose parent is this one
sub children_of {
    my ($parent) = @_;
    my @children;

    for my $stat (glob '/proc/[0-9]*/stat') {
        my $line = slurp($stat) // next;
        my ($pid, $ppid) = $line =~ /^(\d+) \(.*\) \S+ (\d+) /s or next;
        push @children, $pid if $ppid == $parent;
    }

    return sort { $a <=> $b } @children;
}


# pids of the nginx workers, those that are shutting down left out
sub nginx_workers {
    my ($self) = @_;
    my $master = $self->pid('nginx') // return;

    return grep {
        my $title = slurp("/proc/$_/cmdline") // '';
        $title =~ /^nginx: worker process\b(?! is shutting down)/;
    } children_of($master);
}


sub start {
    my ($self) = @_;
    $self->start_backend;
    $self->start_nginx;
    $self->start_worker;
    return $self;
}


sub start_backend {
    my ($self) = @_;
    my $port = $self->port('BACKEND');

    $self->spawn('backend', 'python3', "$top/t/lib/backend.py",
                 "$self->{root}/backend", $port);
    $self->_listening($port) or die 'the backend does not start: '
                                    . slurp("$self->{root}/backend.log");
    return $self;
}


sub start_nginx {
    my ($self) = @_;
    my $conf = $self->write_conf;

    $self->spawn('nginx', $self->{nginx}, '-p', "$self->{root}/", '-c',
                 $conf, '-e', "$self->{root}/error.log");
    $self->_follow_daemon if $self->{daemon} eq 'on';

    my $up = poll_until(20, sub {
        return 'dead' if $self->wait_end('nginx', 0);
        return $self->nginx_workers >= $self->{workers}
            && (!%{ $self->{ports} } || $self->_accepts) ? 'up' : undef;
    }) // 'silent';

    die "nginx does not start ($up):\n", slurp("$self->{root}/nginx.log"),
        slurp("$self->{root}/error.log") // '' if $up ne 'up';
    return $self;
}


sub _follow_daemon {
    my ($self) = @_;

    $self->wait_end('nginx', 20) && $? == 0
        or die "nginx does not start:\n", slurp("$self->{root}/nginx.log");
    $self->{pids}{nginx} = poll_until(20, sub {
        (slurp("$self->{root}/nginx.pid") // '') =~ /^(\d+)$/m && $1;
    }) // die 'nginx has no pid file';
    return;
}


sub _accepts {
    my ($self) = @_;
    my ($port) = grep { $_ } map { $self->{ports}{$_} }
                 grep { $_ ne 'BACKEND' } sort keys %{ $self->{ports} };
    return !$port || $self->_listening($port, 0);
}


sub _listening {
    my ($self, $port, $seconds) = @_;
    return poll_until($seconds // 20, sub {
        IO::Socket::INET->new(PeerAddr => "127.0.0.1:$port", Timeout => 1);
    });
}


# nginx -t on the configuration as it stands: (exit code, what it said)
sub nginx_t {
    my ($self) = @_;
    my $conf = $self->write_conf;
    my $out  = `$self->{nginx} -t -p $self->{root}/ -c $conf 2>&1`;
    return ($? >> 8, $out);
}


sub stop_nginx { return $_[0]->stop('nginx', 'QUIT', $_[1]) }


# reads the configuration again; returns when new workers have taken over
sub reload {
    my ($self) = @_;
    my %old = map { $_ => 1 } $self->nginx_workers;

    $self->write_conf;
    kill 'HUP', $self->pid('nginx');
    poll_until(20, sub {
        my @now = $self->nginx_workers;
        return @now >= $self->{workers} && !grep { $old{$_} } @now;
    }) or die 'nginx did not reload';
    return $self;
}


# the binary is upgraded (USR2): the new master is nginx now; returns the pid
# of the old one, which goes on until it is told to quit.  Only with daemon:
# nginx takes a master whose parent lives for one that came by an upgrade.
sub upgrade {
    my ($self) = @_;
    my $old  = $self->pid('nginx');
    my $file = "$self->{root}/nginx.pid";

    kill 'USR2', $old;
    my $new = poll_until(20, sub {
        my ($pid) = (slurp($file) // '') =~ /^(\d+)$/m;
        return $pid if $pid && $pid != $old;
    }) or die 'there is no new master';

    $self->{pids}{nginx} = $new;
    poll_until(20, sub { $self->nginx_workers >= $self->{workers} })
        or die 'the new master has no workers';
    return $old;
}


# kill -9 of one nginx worker (the first); its pid
sub kill_nginx_worker {
    my ($self) = @_;
    my ($pid) = $self->nginx_workers;
    kill 'KILL', $pid;
    return $pid;
}


# kill -9 of the master and all that it started; stopped before, so that it
# starts nobody in between
sub kill_nginx {
    my ($self) = @_;
    my $master = $self->pid('nginx');

    kill 'STOP', $master;
    poll_until(10, sub {
        (slurp("/proc/$master/stat") // '') =~ /^\d+ \(.*\) T /s;
    });

    my @workers = children_of($master);

    kill 'KILL', $master, @workers;
    $self->wait_end('nginx', 10);
    poll_until(30, sub { !grep { !_gone($_) } @workers })
        or die 'a killed nginx worker does not end';
    return $self;
}


# with all its threads: one that waits for the disk keeps the files of all
sub _gone {
    my ($pid) = @_;
    my ($state) = (slurp("/proc/$pid/stat") // return 1) =~ /^\d+ \(.*\) (\S)/s;
    my @threads = glob "/proc/$pid/task/*";
    return !defined $state || $state eq 'Z' && @threads <= 1;
}


sub start_worker {
    my ($self, @args) = @_;
    $self->spawn('worker', $self->{program}, 'worker',
                 '--store', $self->{store_path}, @args);
    return $self;
}


sub stop_worker { return $_[0]->stop('worker', 'TERM', $_[1]) }


sub kill_worker {
    my ($self) = @_;
    kill 'KILL', $self->pid('worker');
    return $self->wait_end('worker', 10);
}


# runs nginx-async: (exit code, output)
sub command {
    my ($self, $name, @args) = @_;
    my @command = ($self->{program}, $name, '--store', $self->{store_path},
                   @args);
    my $line = join ' ', map { "'" . s/'/'\\''/gr . "'" } @command;
    my $out  = `$line 2>&1`;
    return ($? >> 8, $out);
}


# runs a script in Node.js, with the packages of t/lib/node: what it printed,
# a JSON value; dies, with what it said, if there is none
sub node {
    my ($self, $script, @args) = @_;
    local $ENV{NODE_PATH} = "$top/build/node/node_modules:$top/t/lib/node";
    my $said = "$self->{root}/node.log";
    my $line = join ' ', map { "'" . s/'/'\\''/gr . "'" }
               'timeout', '120', 'node', "$top/$script", @args;
    my $out  = `$line 2>$said`;

    die "$script: exit status ", $? >> 8, "\n$out", slurp($said) if $?;
    return JSON::PP::decode_json($out);
}


# --- HTTP -----------------------------------------------------------------

# Sends exactly these bytes and returns the parsed answer, or undef when
# there is none.  port: a name given to %%PORT_name%%; path: a unix socket
# instead; head_only: the answer has no body (HEAD); timeout: seconds
sub raw {
    my ($self, $bytes, %args) = @_;
    my $timeout = ($args{timeout} || 30) * $patience;
    my $socket  = $args{path}
        ? IO::Socket::UNIX->new(Peer => $args{path})
        : IO::Socket::INET->new(
              PeerAddr => $args{addr} || '127.0.0.1',
              PeerPort => $self->port($args{port}), Timeout => $timeout);

    return if !$socket;
    local $SIG{PIPE} = 'IGNORE';
    my $answer = AsyncTest::Answer->read($socket, $bytes, $args{head_only},
                                         time + $timeout);
    $answer->{local_port} = $socket->sockport if $answer && !$args{path};
    return $answer;
}


# headers: [name, value, ...], sent as they stand; body; port, timeout as
# above; host: of the Host header; version: 1.1
sub request {
    my ($self, $method, $target, %args) = @_;
    my @headers = @{ $args{headers} || [] };
    my $host    = $args{host} // '127.0.0.1:' . $self->port($args{port});
    my $bytes   = "$method $target HTTP/1.1\r\nHost: $host\r\n"
                  . "Connection: close\r\n";

    while (my ($name, $value) = splice @headers, 0, 2) {
        $bytes .= "$name: $value\r\n";
    }

    $bytes .= 'Content-Length: ' . length($args{body}) . "\r\n"
        if defined $args{body};

    return $self->raw($bytes . "\r\n" . ($args{body} // ''), %args,
                      head_only => $method eq 'HEAD');
}


sub get {
    my ($self, $target, %args) = @_;
    return $self->request('GET', $target, %args);
}


# POST, or another method; dies unless it is accepted as a job
sub submit {
    my ($self, $target, %args) = @_;
    my $method = delete $args{method} || 'POST';
    my $answer = $self->request($method, $target, body => '', %args)
        or die "no answer to $method $target";

    die "$method $target: not accepted: ", $answer->{head}, $answer->{body}
        if $answer->{status} != 202;
    return $answer;
}


# polls the job of an answer, a Location or a path until it has ended and
# returns its document; dies when the seconds (30) are over
sub wait_job {
    my ($self, $job, $seconds, %args) = @_;
    my $path = $self->job_path($job);
    my $last;
    my $document = poll_until($seconds || 30, sub {
        my $answer = $self->get($path, %args) or return;
        $last = "$answer->{head}$answer->{body}";
        return if $answer->{status} != 200;
        my $json = $answer->json;
        return $json->{status} =~ /^(?:completed|failed|canceled)$/
               ? $json : undef;
    });

    die "$path has not ended: ", $last // 'no answer' if !$document;
    return $document;
}


sub job_path {
    my ($self, $job) = @_;
    my $url = ref $job ? $job->header('Location') : $job;
    return $url =~ s{^https?://[^/]+}{}r;
}


# POST, wait, fetch: (document, result)
sub submit_and_wait {
    my ($self, $target, %args) = @_;
    my %where  = map { $_ => $args{$_} } grep { $args{$_} }
                 qw(port host addr);
    my $path   = $self->job_path($self->submit($target, %args));
    my $job    = $self->wait_job($path, $args{timeout}, %where);
    return ($job, $self->get("$path/result", %where));
}


# curl, for TLS and HTTP/2: an answer like request's; extra arguments as
# they stand, the URL last
sub curl {
    my ($self, @args) = @_;
    my $head = "$self->{root}/curl.head";
    my $body = "$self->{root}/curl.body";

    unlink $head, $body;
    system('curl', '-sS', '-m', 60, '--noproxy', '*', '-D', $head,
           '-o', $body, @args) == 0 or return;

    # of several heads (100, 103) the last
    my @heads = split /(?<=\r\n\r\n)/, slurp($head);
    return AsyncTest::Answer->new($heads[-1], slurp($body) // '');
}


# --- what the backend has seen --------------------------------------------

sub backend_stats {
    my ($self) = @_;
    return $self->get('/_stats', port => 'BACKEND')->json;
}


# of its figures one that is a number; cheap after many jobs
sub backend_count {
    my ($self, $what) = @_;
    return $self->get('/_stats?brief=1', port => 'BACKEND')->json->{$what};
}


# lines of its log, as hashes; of one event if given
sub backend_log {
    my ($self, $event) = @_;
    my @lines = map { JSON::PP::decode_json($_) } grep { /\}$/ }
                split /\n/, slurp("$self->{root}/backend/log.jsonl") // '';
    return grep { !$event || $_->{event} eq $event } @lines;
}


# request number n, byte for byte: (head, body); of the last without n
sub backend_request {
    my ($self, $n) = @_;
    $n //= ($self->backend_log('arrived'))[-1]{n};
    my $stem = "$self->{root}/backend/$n";
    return (slurp("$stem.head"), slurp("$stem.body") // '');
}


# --- the end --------------------------------------------------------------

# a line of nginx's log that would be a failure is expected here
sub expect_log {
    my ($self, $pattern) = @_;
    open my $out, '>>', "$self->{root}/expected-log" or die $!;
    print $out "$pattern\n";
    close $out;
    return $self;
}


sub stop_all {
    my ($self) = @_;
    $self->stop_nginx;
    $self->stop_worker;
    $self->stop($_) for keys %{ $self->{pids} };
    return $self;
}


# stops everything and checks that no log has a line it should not have
sub done {
    my ($self) = @_;
    my $name = basename($self->{root});

    ok($self->stop_nginx,  "$name: nginx ends when told");
    ok($self->stop_worker, "$name: the worker ends when told");
    $self->stop_all;
    is_deeply([bad_log_lines($self->{log} || "$self->{root}/error.log")], [],
              "$name: nothing worse than an error in nginx's log");
    return;
}


# whatever happens, nothing that we started outlives the test; what was
# killed cannot take its children along, so these are looked up first
sub _end {
    for my $self (@AsyncTest::running) {
        my @pids = values %{ $self->{pids} };
        kill 'STOP', @pids;
        kill 'KILL', @pids, map { children_of($_) } @pids;
        waitpid $_, 0 for @pids;      # or -1: of an upgrade
        $self->{pids} = {};
    }
}

my $main = $$;
$SIG{$_} = sub { exit 1 } for qw(INT TERM HUP);

END {
    my $status = $?;
    _end() if $$ == $main;
    $? = $status;
}


# --- an answer ------------------------------------------------------------

package AsyncTest::Answer;

use IO::Select;
use Time::HiRes qw(time);


sub new {
    my ($class, $head, $body) = @_;
    my ($line, @lines) = split /\r\n/, $head;
    my ($version, $status, $reason) = split / /, $line, 3;

    return bless {
        version => $version, status => $status, reason => $reason,
        head    => $head, body => $body,
        lines   => [map { [split /:\s*/, $_, 2] } @lines],
    }, $class;
}


sub read {
    my ($class, $socket, $bytes, $head_only, $deadline) = @_;
    my $select = IO::Select->new($socket);
    my $buffer = '';
    my $sent   = 0;

    binmode $socket;
    $socket->blocking(0);

    # an answer may come before all is sent (413): read while sending
    while (1) {
        my $answer = _complete($class, $buffer, $head_only);
        return $answer if $answer;

        my $left    = $deadline - time;
        my $writing = $sent < length $bytes ? $select : undef;
        my ($readable, $writable) = IO::Select->select($select, $writing,
                                                       undef, $left);
        return if $left <= 0 || !$readable;

        if (@$writable) {
            my $n = syswrite $socket, $bytes, 1 << 16, $sent;
            $sent = defined $n ? $sent + $n
                  : $!{EAGAIN} ? $sent : length $bytes;
        }

        next if !@$readable;
        my $n = sysread $socket, $buffer, 1 << 20, length $buffer;
        next if !defined $n && $!{EAGAIN};
        return _complete($class, $buffer, $head_only, 'closed') if !$n;
    }
}


# the answer, if all of it is there; with closed: as far as it is there,
# {cut} if it should have been longer
sub _complete {
    my ($class, $buffer, $head_only, $closed) = @_;
    my $end = index $buffer, "\r\n\r\n";
    return if $end < 0;

    my $self = $class->new(substr($buffer, 0, $end + 4),
                           substr($buffer, $end + 4));
    my $length  = $self->header('Content-Length');
    my $chunked = ($self->header('Transfer-Encoding') // '') eq 'chunked';

    if ($head_only || $self->{status} =~ /^(?:1..|204|304)$/) {
        return $self;

    } elsif ($chunked) {
        return if !$closed && $self->{body} !~ /(?:^|\r\n)0\r\n\r\n$/;
        $self->{body} = _unchunk($self->{body}, \$self->{cut});
        return $self if $closed || !$self->{cut};
        return;

    } elsif (defined $length) {
        return if !$closed && length $self->{body} < $length;
        $self->{cut} = length $self->{body} < $length;
        return $self;
    }

    return $closed ? $self : undef;
}


sub _unchunk {
    my ($body, $cut) = @_;
    my $plain = '';
    my $at    = 0;

    while (substr($body, $at, 32) =~ /^([0-9a-f]+)[^\r\n]*\r\n/i) {
        my $size = hex $1;
        return $plain if $size == 0;
        $at += $+[0];
        last if length $body < $at + $size + 2;
        $plain .= substr $body, $at, $size;
        $at += $size + 2;
    }

    $$cut = 1;
    return $plain;
}


# values of a header, in order
sub headers {
    my ($self, $name) = @_;
    return map { $_->[1] } grep { lc $_->[0] eq lc $name }
           @{ $self->{lines} };
}


# its first value, or undef
sub header {
    my ($self, $name) = @_;
    return ($self->headers($name))[0];
}


sub json {
    my ($self) = @_;
    return JSON::PP::decode_json($self->{body});
}


1;
