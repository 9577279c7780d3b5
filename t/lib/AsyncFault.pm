package AsyncFault;

# What tests that break things share.
#
#   my $kills = scale(50, 2000);        # in make test, with FAULT=long
#   my $client = AsyncFault->ask($t, '/static', rate => 500);
#   ...
#   my @answers = $client->stop;        # {at, seconds, status, body}

use strict;
use warnings;

use Exporter qw(import);
use IO::Select;
use IO::Socket::INET;
use JSON::PP ();
use POSIX ();
use Test::More;
use Time::HiRes qw(sleep time);

use AsyncTest;

our @EXPORT = qw(scale seeded fetch_all jobs_in_store resident peak
                 descriptors limit percentile);

my $top = AsyncTest::top();


# a figure: by default, with FAULT=long
sub scale {
    my ($short, $long) = @_;
    return ($ENV{FAULT} // '') eq 'long' ? $long : $short;
}


# what goes at random can be had again
sub seeded {
    my $seed = $ENV{SEED} // int rand 1 << 30;
    srand $seed;
    note("SEED=$seed");
    return $seed;
}


# --- processes ------------------------------------------------------------

# KB of a process: now and at most
sub resident { return _memory($_[0], 'VmRSS') }
sub peak     { return _memory($_[0], 'VmHWM') }

sub _memory {
    my ($pid, $what) = @_;
    my ($size) = (slurp("/proc/$pid/status") // '')
                 =~ /^$what:\s+(\d+)/m;
    return $size // 0;
}


# The lowest number that is free: the limit at which nothing more can be
# opened.  What was inherited from who runs the test may lie far above.
sub descriptors {
    my ($pid) = @_;
    my %open = map { m{/(\d+)$} => 1 } glob "/proc/$pid/fd/*";
    my $free = 0;
    $free++ while $open{$free};
    return $free;
}


# of a running process: limit($pid, nofile => 20), as prlimit(1) names them
sub limit {
    my ($pid, $what, $soft) = @_;
    return system('prlimit', "--pid=$pid", "--$what=$soft:") == 0;
}


# --- the store ------------------------------------------------------------

# all jobs as the store has them, see store-probe.c
sub jobs_in_store {
    my ($t) = @_;
    my $probe = "$top/build/store-probe";
    die "make build/store-probe first\n" if !-x $probe;

    my $lines = '';
    poll_until(30, sub {
        $lines = `$probe jobs '@{[ $t->store ]}' 2>@{[ $t->root ]}/probe.log`;
        return $? == 0;
    }) or die 'store-probe: ', slurp($t->root . '/probe.log');

    return map { JSON::PP::decode_json($_) } split /\n/, $lines;
}


# --- many answers ---------------------------------------------------------

# GET of every target, in order, over few connections; answers without a
# Content-Length are not understood.  What got no answer is undef.
sub fetch_all {
    my ($t, @targets) = @_;
    my @answers;

    while (my @some = splice @targets, 0, 64) {
        my $socket = IO::Socket::INET->new(
            PeerAddr => '127.0.0.1', PeerPort => $t->port, Timeout => 30,
        ) or die "connect: $!";

        local $SIG{PIPE} = 'IGNORE';
        syswrite $socket, join '', map {
            "GET $_ HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
        } @some;

        my $in = '';
        push @answers, _next_answer($socket, \$in) for @some;
        close $socket;
    }

    return @answers;
}


sub _next_answer {
    my ($socket, $in) = @_;
    my $deadline = time + 60;

    while (1) {
        my $end = index $$in, "\r\n\r\n";

        if ($end >= 0) {
            my $head = substr $$in, 0, $end + 4;
            my ($length) = $head =~ /^Content-Length: (\d+)\r$/mi;
            die "no Content-Length: $head" if !defined $length;

            if (length $$in >= $end + 4 + $length) {
                my $body = substr $$in, $end + 4, $length;
                substr $$in, 0, $end + 4 + $length, '';
                return AsyncTest::Answer->new($head, $body);
            }
        }

        return undef
            if !IO::Select->new($socket)->can_read($deadline - time)
               || !sysread $socket, $$in, 1 << 18, length $$in;
    }
}


# --- a client that keeps asking -------------------------------------------

# GETs one target at a rate, from a process of its own, on connections that it
# keeps.  The time of an answer counts from when its request was due, so that
# a server that stands still is slow for all that waited.  connections 2;
# rate 200 a second.
sub ask {
    my ($class, $t, $target, %args) = @_;
    my $self = bless {
        t => $t, target => $target, connections => 2, rate => 200,
        name => 'ask', %args,
    }, $class;

    $self->{file} = $t->root . "/$self->{name}.log";
    unlink $self->{file};
    my $pid = fork // die "fork: $!";

    if ($pid == 0) {
        $SIG{PIPE} = 'IGNORE';
        $SIG{TERM} = sub { $self->{end} = time };
        eval { $self->_ask; 1 } or warn $@;
        POSIX::_exit(0);
    }

    $t->{pids}{ $self->{name} } = $pid;
    return $self;
}


# {at, seconds, status, body}; what got no answer has status 0
sub answers {
    my ($self) = @_;
    return map {
        my ($at, $seconds, $status, $body) = split / /, $_, 4;
        { at => $at, seconds => $seconds, status => $status, body => $body };
    } split /\n/, slurp($self->{file}) // '';
}


sub stop {
    my ($self) = @_;
    kill 'TERM', $self->{t}->pid($self->{name});
    $self->{t}->wait_end($self->{name}, 60) or die 'the client does not end';
    return $self->answers;
}


sub _ask {
    my ($self) = @_;
    my @clients = map { { in => '' } } 1 .. $self->{connections};
    my $began = time;
    my $next  = 0;

    open $self->{out}, '>', $self->{file} or die "$self->{file}: $!";
    $self->{out}->autoflush(1);

    # what was due by the end is asked, however late
    while (1) {
        my $due  = $began + $next / $self->{rate};
        my $over = $self->{end} && $due > $self->{end};
        last if $over && !grep { $_->{due} } @clients;

        if (time >= $due && !$over) {
            my ($free) = grep { !$_->{due} } @clients;

            if ($free) {
                $next++;
                $free->{due} = $due;
                $self->_ask_one($free);
                @clients = ((grep { $_ != $free } @clients), $free);
                next;
            }
        }

        $self->_hear($due, grep { $_->{due} } @clients);
    }
}


sub _ask_one {
    my ($self, $client) = @_;

    $client->{socket} ||= IO::Socket::INET->new(
        PeerAddr => '127.0.0.1', PeerPort => $self->{t}->port($self->{port}),
        Timeout  => 30,
    ) or return $self->_heard($client, 0, "connect: $!");

    my $request = "GET $self->{target} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n";
    $client->{fresh} = !$client->{used}++;
    $client->{in}    = '';
    syswrite $client->{socket}, $request;
}


sub _hear {
    my ($self, $due, @clients) = @_;
    my $pause = $due - time;
    $pause = 0.0005 if $pause < 0.0005;

    return sleep $pause if !@clients;

    my %of = map { fileno $_->{socket} => $_ } @clients;
    for my $socket (IO::Select->new(map { $_->{socket} } @clients)
                              ->can_read($pause))
    {
        my $client = $of{ fileno $socket };
        my $n = sysread $socket, $client->{in}, 1 << 16,
                length $client->{in};

        if (!$n) {
            # one that was idle may be closed, as by a reload
            my $again = !$client->{fresh} && $client->{in} eq '';
            $client->{socket} = undef;
            $client->{used}   = 0;
            if ($again) { $self->_ask_one($client) }
            else        { $self->_heard($client, 0, 'closed') }
            next;
        }

        my $answer = AsyncTest::Answer::_complete('AsyncTest::Answer',
                                                  $client->{in}) or next;
        $self->_heard($client, $answer->{status}, $answer->{body});
        if (($answer->header('Connection') // '') eq 'close') {
            $client->{socket} = undef;
            $client->{used}   = 0;
        }
    }

    for my $client (grep { $_->{due} && time - $_->{due} > 30 } @clients) {
        $client->{socket} = undef;
        $client->{used}   = 0;
        $self->_heard($client, 0, 'no answer');
    }
}


sub _heard {
    my ($self, $client, $status, $body) = @_;
    $body =~ s/\s+/ /g;
    printf { $self->{out} } "%.4f %.6f %d %s\n", time, time - $client->{due},
        $status, substr $body, 0, 60;
    $client->{due} = 0;
}


# of numbers: the one below which this share lies
sub percentile {
    my ($share, @numbers) = @_;
    my @sorted = sort { $a <=> $b } @numbers;
    return @sorted ? $sorted[int($#sorted * $share)] : undef;
}


1;
