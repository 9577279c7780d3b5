package AsyncStream;

# A client of an event stream, by the byte (WHATWG HTML, 9.2).
#
#   my $s = AsyncStream->open($t, "$path/events", last => 7);
#   $s->head->{status};                   # as AsyncTest's answer
#   my $e = $s->next(10);                 # {event, id, data (decoded), text}
#   my @all = $s->rest(30);               # until the stream has ended
#   $s->ended;                            # 'whole', 'cut', or undef: not yet
#
# Comments are counted in pings, what retry said is in retry.  Many of them:
# sysread what select() says is readable, with take().

use strict;
use warnings;

use IO::Select;
use IO::Socket::INET;
use JSON::PP ();
use Time::HiRes qw(time);

use AsyncTest;


# last: the Last-Event-ID; headers, port, version (1.1) as in AsyncTest's
# request; buffer: bytes that the client's kernel takes unread
sub open {
    my ($class, $t, $target, %args) = @_;
    my $port    = $t->port($args{port});
    my $version = $args{version} // '1.1';
    my @headers = (@{ $args{headers} || [] },
                   defined $args{last} ? ('Last-Event-ID' => $args{last}) : ());
    my $bytes   = ($args{method} // 'GET')
                  . " $target HTTP/$version\r\nHost: 127.0.0.1:$port\r\n";

    while (my ($name, $value) = splice @headers, 0, 2) {
        $bytes .= "$name: $value\r\n";
    }

    my $socket = IO::Socket::INET->new(Proto => 'tcp') or die "socket: $!";
    setsockopt $socket, Socket::SOL_SOCKET(), Socket::SO_RCVBUF(),
               $args{buffer} if $args{buffer};
    connect $socket, Socket::sockaddr_in($port, Socket::inet_aton('127.0.0.1'))
        or return;
    syswrite $socket, "$bytes\r\n";
    $socket->blocking(0);

    return bless {
        socket => $socket, raw => '', text => '', events => [], pings => 0,
        last => $args{last}, seen => 0,
    }, $class;
}


sub socket { return $_[0]{socket} }
sub ended  { return $_[0]{ended} }


# what is there now; false when there is no more to come
sub take {
    my ($self) = @_;
    return 0 if $self->{ended};
    my $n = sysread $self->{socket}, $self->{raw}, 1 << 16,
                    length $self->{raw};
    return 1 if !defined $n && $!{EAGAIN};

    $self->_head if !$self->{head};
    $self->_body if $self->{head};

    if (!$n && !$self->{ended}) {
        $self->{ended} = !$self->{chunked} && $self->{head} ? 'whole' : 'cut';
    }
    return !$self->{ended};
}


sub _head {
    my ($self) = @_;
    my $end = index $self->{raw}, "\r\n\r\n";
    return if $end < 0;

    $self->{head} = AsyncTest::Answer->new(substr($self->{raw}, 0, $end + 4),
                                           '');
    substr $self->{raw}, 0, $end + 4, '';
    $self->{chunked} = ($self->{head}->header('Transfer-Encoding') // '')
                       eq 'chunked';
    $self->{ended} = 'whole' if $self->{head}{status} == 204;
    return;
}


sub _body {
    my ($self) = @_;

    if (!$self->{chunked}) {
        $self->{text} .= $self->{raw};
        $self->{raw} = '';
    }

    while ($self->{chunked} && $self->{raw} =~ /^([0-9a-f]+)\r\n/i) {
        my ($size, $at) = (hex $1, $+[0]);
        last if length $self->{raw} < $at + $size + 2;
        $self->{ended} = 'whole' if $size == 0;
        $self->{text} .= substr $self->{raw}, $at, $size;
        substr $self->{raw}, 0, $at + $size + 2, '';
    }

    while ($self->{text} =~ s/\A(.*?)\n\n//s) {
        $self->_block($1);
    }
    return;
}


sub _block {
    my ($self, $text) = @_;
    my %event;

    for my $line (split /\n/, $text) {
        my ($name, $value) = $line =~ /^([^:]*): ?(.*)$/;
        if ($name eq '')          { $self->{pings}++ }
        elsif ($name eq 'retry')  { $self->{retry} = $value }
        else                      { $event{$name} = $value }
    }

    return if !exists $event{data};
    $event{text} = delete $event{data};
    $event{came} = time;
    $event{data} = $self->{plain} ? undef : JSON::PP::decode_json($event{text});
    $self->{last} = $event{id} if defined $event{id};
    push @{ $self->{events} }, \%event;
    return;
}


sub _wait {
    my ($self, $seconds, $done) = @_;
    my $select   = IO::Select->new($self->{socket});
    my $deadline = time + $seconds * ($ENV{ASYNC_VALGRIND} ? 10 : 1);

    while (!$done->() && !$self->{ended} && time < $deadline) {
        $self->take if $select->can_read($deadline - time);
    }
    return $done->();
}


sub head {
    my ($self) = @_;
    $self->_wait(30, sub { $self->{head} });
    return $self->{head};
}


# the next event, or undef when there is none in time
sub next {
    my ($self, $seconds) = @_;
    $self->_wait($seconds // 30, sub { @{ $self->{events} } });
    return shift @{ $self->{events} };
}


# all up to the end of the stream; dies if it does not end
sub rest {
    my ($self, $seconds) = @_;
    $self->_wait($seconds // 60, sub { $self->{ended} })
        or die 'the stream does not end';
    return splice @{ $self->{events} };
}


# waits until that many pings came
sub ping {
    my ($self, $n, $seconds) = @_;
    return $self->_wait($seconds // 30, sub { $self->{pings} >= $n });
}


sub leave {
    my ($self) = @_;
    close delete $self->{socket};
    return;
}


1;
