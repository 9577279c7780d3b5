package AsyncClient;

# A request that is sent now, and answered later: what a client that waits is
# in a test.
#
#   my $poll = AsyncClient->get($t, $path, headers => [Prefer => 'wait=20']);
#   ...
#   my $answer = $poll->answer;          # as AsyncTest's; undef: none came
#   $poll->leave;                        # the connection is closed
#
# Times: sent and, of the answer, came (seconds, as time).

use strict;
use warnings;

use IO::Select;
use IO::Socket::INET;
use Time::HiRes qw(time);

use AsyncTest;


# as AsyncTest's request; keep: the connection stays open behind the answer
sub request {
    my ($class, $t, $method, $target, %args) = @_;
    my @headers = @{ $args{headers} || [] };
    my $port    = $t->port($args{port});
    my $bytes   = "$method $target HTTP/1.1\r\nHost: 127.0.0.1:$port\r\n";

    $bytes .= "Connection: close\r\n" if !$args{keep};

    while (my ($name, $value) = splice @headers, 0, 2) {
        $bytes .= "$name: $value\r\n";
    }

    $bytes .= 'Content-Length: ' . length($args{body}) . "\r\n"
        if defined $args{body};

    my $socket = IO::Socket::INET->new(PeerAddr => "127.0.0.1:$port",
                                       Timeout => 30)
        or die "127.0.0.1:$port: $!";
    my $self = bless {
        socket => $socket, head_only => $method eq 'HEAD', sent => time,
    }, $class;

    $self->send($bytes . "\r\n" . ($args{body} // ''));
    return $self;
}


sub get {
    my ($class, $t, $target, %args) = @_;
    return $class->request($t, 'GET', $target, %args);
}


sub post {
    my ($class, $t, $target, %args) = @_;
    return $class->request($t, 'POST', $target, body => '', %args);
}


sub send {
    my ($self, $bytes) = @_;
    local $SIG{PIPE} = 'IGNORE';
    $self->{socket}->blocking(1);
    syswrite $self->{socket}, $bytes;
    return;
}


sub socket { return $_[0]{socket} }


# whether something came, an answer or the end of the connection
sub answered {
    my ($self, $seconds) = @_;
    return scalar IO::Select->new($self->{socket})->can_read($seconds // 0);
}


sub answer {
    my ($self, $seconds) = @_;
    my $answer = AsyncTest::Answer->read($self->{socket}, '',
                                         $self->{head_only},
                                         time + ($seconds // 60));

    $answer->{came} = time if $answer;
    return $answer;
}


sub leave {
    my ($self) = @_;
    close delete $self->{socket};
    return;
}


1;
