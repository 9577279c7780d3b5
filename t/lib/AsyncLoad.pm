package AsyncLoad;

# Submits from many connections at once, in a process of its own, while the
# test does what it wants to the programs; and what must hold afterwards.
#
#   my $load = AsyncLoad->start($t,
#       connections => 16, count => 1000,      # without count: until ->stop
#       request     => sub {                    # of submit number n
#           my ($n) = @_;
#           return ("POST", "/reports?key=$n", "body $n");
#       });
#   ...
#   my @submits = $load->stop;                  # or ->finish: waits for count
#   $load->invariants;                          # as test results
#
# The clients keep their connections alive.  A submit that gets no answer is
# an {error} and its outcome unknown.  With resend, for servers that end in
# good order: a connection that ends before the first byte of an answer, on a
# request that was not its first, was idle for the server, and the submit is
# sent again, as any client would do it, and counted as {again}.  A target
# must hold key=<n>, so that the backend's log tells whether it ran twice.
# With rate, so many submits are begun in a second, as far as there are
# connections that are free.  AsyncHistory checks more, and many jobs fast.

use strict;
use warnings;

use IO::Select;
use IO::Socket::INET;
use JSON::PP ();
use Test::More;
use Time::HiRes qw(sleep time);

use AsyncTest;

# connections 16; rate, resend: above; fresh: each submit has a connection of
# its own; pause: seconds between an answer and the next submit of a
# connection, 0; patience: seconds for an answer, 30; port: a name given to
# %%PORT_name%%; name: of the log, load
sub start {
    my ($class, $t, %args) = @_;
    my $self = bless {
        t => $t, connections => 16, pause => 0, name => 'load',
        patience => 30, %args,
    }, $class;

    $self->{file} = $t->root . "/$self->{name}.jsonl";
    unlink $self->{file};
    my $pid = fork // die "fork: $!";

    if ($pid == 0) {
        $SIG{PIPE} = 'IGNORE';
        $SIG{TERM} = sub { $self->{stopping} = 1 };
        eval { $self->_run; 1 } or $self->_line({ fatal => "$@" });
        POSIX::_exit(0);
    }

    $t->{pids}{ $self->{name} } = $pid;
    return $self;
}


# what was answered so far
sub submits {
    my ($self) = @_;
    my @lines = map { JSON::PP::decode_json($_) } grep { /\}$/ }
                split /\n/, slurp($self->{file}) // '';
    my ($fatal) = grep { $_->{fatal} } @lines;
    die "load: $fatal->{fatal}" if $fatal;
    return @lines;
}


# only how many
sub answers {
    my ($self) = @_;
    return (slurp($self->{file}) // '') =~ tr/\n//;
}


sub accepted {
    my ($self) = @_;
    return scalar(() = (slurp($self->{file}) // '') =~ /"status":"202"/g);
}


sub finish {
    my ($self, $seconds) = @_;
    $self->{t}->wait_end($self->{name}, $seconds || 60)
        or die 'the load does not end';
    return $self->submits;
}


sub stop {
    my ($self) = @_;
    kill 'TERM', $self->{t}->pid($self->{name});
    return $self->finish;
}


# --- the clients ----------------------------------------------------------

sub _run {
    my ($self) = @_;
    my @clients = map { { wake => 0 } } 1 .. $self->{connections};
    my $next  = 1;
    my $began = time;

    while (1) {
        my $now = time;

        for my $client (@clients) {
            next if $client->{n} || $now < $client->{wake};
            next if $self->{stopping}
                    || $self->{count} && $next > $self->{count};
            last if $self->{rate}
                    && $next > ($now - $began) * $self->{rate};
            $client->{n}     = $next++;
            $client->{began} = $now;
            $client->{again} = 0;
        }

        my @busy = grep { $_->{n} } @clients;
        return if !@busy && ($self->{stopping}
                             || $self->{count} && $next > $self->{count});

        for my $client (@busy) {
            $self->_open($client) if !$client->{sent};
            $self->_end($client, error => 'timeout')
                if $client->{n} && $now - $client->{began} > $self->{patience};
        }

        $self->_exchange(grep { $_->{sent} } @busy);
    }
}


sub _exchange {
    my ($self, @clients) = @_;
    my %of   = map { fileno $_->{socket} => $_ } @clients;
    my $in   = IO::Select->new(map { $_->{socket} } @clients);
    my @full = grep { length $_->{out} } @clients;
    my $out  = @full ? IO::Select->new(map { $_->{socket} } @full) : undef;

    return sleep 0.005 if !@clients;

    my ($readable, $writable) = IO::Select->select($in, $out, undef, 0.01);

    for my $socket (@{ $writable || [] }) {
        my $client = $of{ fileno $socket };
        $self->_send($client);
    }

    # one that was just given up is closed
    $self->_receive($_)
        for grep { $_->{socket} && $_->{sent} }
            map { $of{ fileno($_) // -1 } // () } @{ $readable || [] };
}


sub _receive {
    my ($self, $client) = @_;
    my $n = sysread $client->{socket}, $client->{in}, 1 << 16,
            length $client->{in};

    if ($n) {
        my $answer = AsyncTest::Answer::_complete('AsyncTest::Answer',
                                                  $client->{in});
        $self->_answered($client, $answer) if $answer;

    } elsif (defined $n || !$!{EAGAIN}) {
        $self->_lost($client);
    }
}


sub _lost {
    my ($self, $client) = @_;

    if ($self->{resend} && $client->{requests} > 1 && $client->{in} eq '') {
        $client->{again}++;
        _close($client);
    } else {
        $self->_end($client, error => length $client->{in} ? 'cut'
                                                           : 'closed');
    }
}


sub _open {
    my ($self, $client) = @_;
    my $t = $self->{t};

    if (!$client->{socket}) {
        # nobody listens: certainly not submitted, so try again
        $client->{socket} = IO::Socket::INET->new(
            PeerAddr => '127.0.0.1', PeerPort => $t->port($self->{port}),
            Timeout  => 5,
        ) or return;
        $client->{socket}->blocking(0);
        $client->{requests} = 0;
    }

    my ($method, $target, $body) = $self->{request}->($client->{n});

    $client->{out} = "$method $target HTTP/1.1\r\nHost: 127.0.0.1\r\n"
                     . 'Content-Length: ' . length($body) . "\r\n\r\n$body";
    $client->{in}     = '';
    $client->{method} = $method;
    $client->{sent}   = 1;
    $client->{requests}++;
    $self->_send($client);
}


sub _send {
    my ($self, $client) = @_;
    my $n = syswrite $client->{socket}, $client->{out};

    if (defined $n) {
        substr $client->{out}, 0, $n, '';
    } elsif (!$!{EAGAIN}) {
        $self->_lost($client);
    }
}


sub _answered {
    my ($self, $client, $answer) = @_;
    my $json = eval { $answer->json } || {};
    my $last = $self->{fresh}
               || ($answer->header('Connection') // '') eq 'close';

    $self->_end($client, status => $answer->{status}, id => $json->{id},
                outcome => $json->{outcome},
                url => scalar $answer->header('Location'));
    _close($client) if $last || length $client->{out};
}


sub _end {
    my ($self, $client, %what) = @_;

    $self->_line({
        n => $client->{n}, method => $client->{method},
        again => $client->{again}, seconds => time - $client->{began},
        at => time, %what,
    });

    _close($client) if $what{error};
    $client->{n} = $client->{sent} = 0;
    $client->{wake} = time + $self->{pause};
}


sub _close {
    my ($client) = @_;
    close $client->{socket} if $client->{socket};
    $client->{socket} = undef;
    $client->{sent} = 0;
}


sub _line {
    my ($self, $line) = @_;
    open my $out, '>>', $self->{file} or die "$self->{file}: $!";
    print $out JSON::PP::encode_json($line), "\n";
    close $out;
}


# --- what must hold -------------------------------------------------------

# executions at the backend by key, of targets with key=
sub executions {
    my ($t) = @_;
    my %times;

    for my $line ($t->backend_log('arrived')) {
        $times{$1}++ if $line->{target} =~ /[?&]key=(\d+)/;
    }

    return \%times;
}


# Every 202 ends in one final state, and the documents say so for good;
# nothing that may not be repeated ran twice; what completed has run, and its
# result is its own; the store is in order.  lost: POSTs may be failed with
# outcome-unknown.  Returns how many of each final state, by method, e.g.
# {"POST completed" => 12}.
sub invariants {
    my ($self, %args) = @_;
    my $t        = $self->{t};
    my @accepted = grep { ($_->{status} // 0) == 202 } $self->submits;
    my $deadline = time + ($args{seconds} || 60);
    my (%ends, %ids, @open, @twice, @never, @wrong, @odd);

    for my $submit (@accepted) {
        my $left = $deadline - time;
        my $job  = eval { $t->wait_job("/jobs/$submit->{id}",
                                       $left > 1 ? $left : 1) };
        push @open, "$submit->{n}: $@" if !$job;
        last if @open > 5;
        next if !$job;

        $ids{ $submit->{id} }++;
        $submit->{job} = $job;
        my $error = $job->{error} ? " $job->{error}{code}" : '';
        $ends{"$submit->{method} $job->{status}$error"}++;
        push @odd, "$submit->{n} $submit->{method} $job->{status}$error"
            if $job->{status} ne 'completed'
               && !($args{lost} && $submit->{method} eq 'POST'
                    && $error eq ' outcome-unknown');
    }

    my $times = executions($t);

    for my $submit ($self->submits) {
        my $ran = $times->{ $submit->{n} } // 0;
        push @twice, "$submit->{n} ran $ran times"
            if $submit->{method} eq 'POST' && $ran > 1;
    }

    for my $submit (grep { $_->{job} } @accepted) {
        next if $submit->{job}{status} ne 'completed';
        push @never, $submit->{n} if !$times->{ $submit->{n} };
        my $result = $t->get("/jobs/$submit->{id}/result");
        push @wrong, $submit->{n}
            if $result->{status} != 200
               || $result->json->{target} !~ /[?&]key=$submit->{n}\b/;
    }

    my $name = $args{name} || 'load';
    note(sprintf '%s: %d submits, %d accepted, %d sent again, ends: %s',
         $name, scalar($self->submits), scalar(@accepted),
         scalar(grep { $_->{again} } $self->submits),
         join ', ', map { "$_ $ends{$_}" } sort keys %ends);

    ok(@accepted > 0, "$name: some submits were accepted");
    is(scalar(keys %ids), scalar(@accepted),
       "$name: each 202 has a job of its own, which ended");
    is_deeply(\@open,  [], "$name: no 202 is lost or left unfinished");
    is_deeply(\@odd,   [], "$name: all ended as they should");
    is_deeply(\@twice, [], "$name: no POST ran twice");
    is_deeply(\@never, [], "$name: what completed has run");
    is_deeply(\@wrong, [], "$name: results belong to their jobs");

    my @changed = grep {
        my $again = $t->get("/jobs/$_->{id}");
        $again->{status} != 200
            || $again->json->{status} ne $_->{job}{status};
    } grep { $_->{job} } @accepted;
    is_deeply([map { $_->{n} } @changed], [],
              "$name: a final state stays");

    check_clean($t, $name);
    return \%ends;
}


sub check_clean {
    my ($t, $name) = @_;
    my ($code, $said) = $t->command('check');
    is($code, 0, "$name: nginx-async check finds nothing") or diag($said);
    note("$name: check: $said");
}


1;
