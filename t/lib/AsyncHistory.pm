package AsyncHistory;

# The history checker: what a client has seen, what the backend has seen, and
# what lies in the store must agree, whatever was done to the programs
# meanwhile.  The invariants are those of the design:
#
#   I1  every 202 names a job of its own, which reaches one final state
#   I2  a request that may not be repeated reaches the backend at most once,
#       one that completed at least once; no attempt reaches it twice
#   I3  a final job stays as it is, byte for byte
#   I4  results are the backend's, byte for byte
#   I7  nginx-async check finds nothing
#   I8  a refusal that does not say "unknown" leaves no job, and the backend
#       does not see its request
#
# I5 (event streams) and I6 (webhooks) belong here when they exist: in
# check(), a sub like the others.
#
#   my $history = AsyncHistory->new($t, $load);
#   $history->look;                   # now and then, while the load runs
#   $load->stop;
#   $history->check(name => '200 kills', seconds => 120, ends => sub {
#       my ($submit, $job) = @_;      # true: as documented.  By default a
#       ...                           # job completes
#   });

use strict;
use warnings;

use Digest::SHA qw(sha256_hex);
use JSON::PP ();
use List::Util qw(shuffle);
use Test::More;
use Time::HiRes qw(time);

use AsyncFault;
use AsyncTest;

my %final = map { $_ => 1 } qw(completed failed canceled);


# restart: called in check() between two looks at the final states; without:
# the id of a job that is not the load's
sub new {
    my ($class, $t, $load, %args) = @_;
    return bless { t => $t, load => $load, read => 0, ids => [],
                   seen => {}, %args }, $class;
}


# Documents of some accepted jobs, kept if they are final: those must stay.
# It is no failure here if nobody answers; {looks} counts what was answered.
sub look {
    my ($self, $count) = @_;
    my @new  = $self->_accepted_since;
    my @some = (shuffle(@{ $self->{ids} }))[0 .. ($count || 20) - 1];

    push @{ $self->{ids} }, @new;
    push @some, @new > 5 ? @new[0 .. 4] : @new;

    my @ids     = grep { defined } @some;
    my @answers = eval { fetch_all($self->{t}, map { "/jobs/$_" } @ids) };
    $self->_keep($ids[$_], $answers[$_]) for 0 .. $#answers;
    $self->{looks}{ $_ ? $_->{status} : 'nothing' }++ for @answers;
    return;
}


# what the load has written since the last time: ids of 202
sub _accepted_since {
    my ($self) = @_;
    open my $in, '<', $self->{load}{file} or return;
    seek $in, $self->{read}, 0;
    local $/;
    my $lines = <$in> // '';
    my $end   = rindex $lines, "\n";
    $self->{read} += $end + 1;
    return substr($lines, 0, $end + 1) =~ /"id":"([0-9a-f-]{36})"/g;
}


sub _keep {
    my ($self, $id, $answer) = @_;
    return if !$answer || $answer->{status} != 200;

    my $body = $answer->{body};
    my ($status) = $body =~ /"status":"(\w+)"/;

    if (defined $self->{seen}{$id}) {
        $self->{compared}++;
        push @{ $self->{changed} },
            "$id: was $self->{seen}{$id}, is $body"
            if $body ne $self->{seen}{$id};
    } elsif ($final{ $status // '' }) {
        $self->{seen}{$id} = $body;
    }

    return;
}


# name, seconds: to wait for the last job; ends: above; again: an attempt that
# nginx has cut as it shut down may run once more under its number
sub check {
    my ($self, %args) = @_;
    my $name = $self->{name} = $args{name} || 'history';

    $self->{again}   = $args{again};
    $self->{ends}    = $args{ends} || sub { $_[1]{status} eq 'completed' };
    $self->{counts}  = {};
    $self->{compared} ||= 0;
    $self->{changed} ||= [];

    $self->_wait($args{seconds} || 60);
    $self->_read;

    $self->_i1_one_final_state;
    $self->_i2_executions;
    $self->_i3_final_states_stay;
    $self->_i4_results;
    $self->_i7_store_in_order;
    $self->_i8_refused;

    note("$name: ", join ', ', map { "$_ $self->{counts}{$_}" }
                    sort keys %{ $self->{counts} });
    return $self->{counts};
}


sub _verdict {
    my ($self, $what, @wrong) = @_;
    ok(!@wrong, "$self->{name}: $what")
        or diag(scalar(@wrong), " wrong, such as\n",
                map { "  $_\n" } @wrong > 5 ? @wrong[0 .. 4] : @wrong);
    return;
}


# until no job in the store is unfinished
sub _wait {
    my ($self, $seconds) = @_;
    my $deadline = time + $seconds;
    my @open;

    do {
        @open = grep { !$final{ $_->{status} } } jobs_in_store($self->{t});
    } while (@open && time < $deadline && select(undef, undef, undef, 0.3)
                                          >= 0);

    $self->_verdict('no job is left unfinished',
        map { "$_->{id} $_->{status} $_->{method} $_->{uri}" } @open);
    return;
}


# all three sides
sub _read {
    my ($self) = @_;
    my $t = $self->{t};

    my @submits = $self->{load}->submits;
    $self->{submits}  = \@submits;
    $self->{accepted} = [grep { ($_->{status} // 0) == 202 } @submits];
    $self->{refused}  = [grep { $_->{status} && $_->{status} != 202
                                && ($_->{outcome} // '') ne 'unknown' }
                         @submits];
    $self->{of} = { map { $_->{n} => $_ } @submits };

    for my $job (jobs_in_store($t)) {
        next if $job->{id} eq ($self->{without} // '');
        my ($n) = $job->{uri} =~ /[?&]key=(\d+)/;
        $job->{n} = $n // '';
        $self->{store}{ $job->{id} } = $job;
        push @{ $self->{by_key}{ $job->{n} } }, $job;
    }

    for my $line ($t->backend_log) {
        my ($n) = $line->{target} =~ /[?&]key=(\d+)/ or next;
        push @{ $self->{ $line->{event} }{$n} }, $line;
    }

    my $counts = $self->{counts};
    $counts->{submits}  = @submits;
    $counts->{accepted} = @{ $self->{accepted} };
    $counts->{refused}  = @{ $self->{refused} };
    $counts->{'unknown outcomes'} =
        @submits - $counts->{accepted} - $counts->{refused};
    $counts->{'jobs in the store'} = keys %{ $self->{store} };
    ok($counts->{accepted} > 0, "$self->{name}: some submits were accepted");
    return;
}


sub _i1_one_final_state {
    my ($self) = @_;
    my (%seen, @wrong, @ends);

    for my $submit (@{ $self->{accepted} }) {
        my $job = $self->{store}{ $submit->{id} };
        push @wrong, "$submit->{n}: no job $submit->{id}" if !$job;
        push @wrong, "$submit->{n}: $submit->{id} is also $seen{$submit->{id}}"
            if $seen{ $submit->{id} };
        push @wrong, "$submit->{n}: $submit->{id} is of key $job->{n}"
            if $job && $job->{n} ne $submit->{n};
        $seen{ $submit->{id} } = $submit->{n};
    }

    # those of unknown outcome too
    for my $job (values %{ $self->{store} }) {
        my $submit = $self->{of}{ $job->{n} };
        my $end    = join ' ', grep { length } @$job{qw(method status error)};

        $self->{counts}{$end}++;
        push @wrong, "$job->{id} $job->{uri}: nobody has submitted it"
            if !$submit;
        push @wrong, "$job->{n}: $job->{id} is $job->{status}"
            if !$final{ $job->{status} };
        push @ends, "$job->{n}: $end"
            if $submit && !$self->{ends}->($submit, $job);
    }

    push @wrong, map { "$_: has several jobs" }
        grep { @{ $self->{by_key}{$_} } > 1 } keys %{ $self->{by_key} };

    $self->_verdict('I1: each 202 has a job of its own, which has ended',
                    @wrong);
    $self->_verdict('I1: and ended as documented', @ends);
    return;
}


sub _i2_executions {
    my ($self) = @_;
    my (@twice, @never, @again, %attempts);
    my $counts = $self->{counts};

    $counts->{executions} = 0;

    while (my ($n, $runs) = each %{ $self->{arrived} }) {
        $counts->{executions} += @$runs;
        $counts->{'PUTs that ran again'}++
            if $runs->[0]{method} ne 'POST' && @$runs > 1;
        push @twice, "$n ran " . @$runs . ' times'
            if $runs->[0]{method} eq 'POST' && @$runs > 1;
        push @never, "$n ran, and has no job" if !$self->{by_key}{$n};

        for my $run (@$runs) {
            my $times = $attempts{"$run->{job} $run->{attempt}"}++;
            push @again, "$n: attempt $run->{attempt} of $run->{job}"
                if $times && !($self->{again} && $self->{gone}{$n}
                               && $times <= @{ $self->{gone}{$n} });
        }
    }

    for my $job (values %{ $self->{store} }) {
        push @never, "$job->{n} is completed and never ran"
            if $job->{status} eq 'completed' && !$self->{arrived}{$job->{n}};
    }

    $self->_verdict('I2: no POST ran twice', @twice);
    $self->_verdict('I2: what completed has run, and only jobs have',
                    @never);
    $self->_verdict('I2: no attempt reached the backend twice', @again);
    return;
}


# what was seen while the load ran, what is there now, and, with restart,
# afterwards
sub _i3_final_states_stay {
    my ($self) = @_;
    my @ids = sort keys %{ $self->{store} };
    my @missing;

    for my $round (1, 2) {
        my @answers = fetch_all($self->{t}, map { "/jobs/$_" } @ids);
        push @missing, map { "$ids[$_] cannot be fetched" }
            grep { !$answers[$_] || $answers[$_]{status} != 200 } 0 .. $#ids;
        $self->_keep($ids[$_], $answers[$_]) for 0 .. $#ids;
        $self->{restart}->() if $round == 1 && $self->{restart};
    }

    $self->{counts}{'documents compared'} = $self->{compared};
    $self->_verdict('I1: every job has a document', @missing);
    $self->_verdict('I3: a final document stays, byte for byte',
                    @{ $self->{changed} });
    return;
}


sub _i4_results {
    my ($self) = @_;
    my @jobs = sort { $a->{id} cmp $b->{id} } values %{ $self->{store} };
    my @answers = fetch_all($self->{t}, map { "/jobs/$_->{id}/result" } @jobs);
    my @wrong;

    for my $i (0 .. $#jobs) {
        my $wrong = $self->_wrong_result($jobs[$i], $answers[$i]);
        push @wrong, "$jobs[$i]{n} $jobs[$i]{id}: $wrong" if $wrong;
    }

    $self->{counts}{'results compared'} = @jobs;
    $self->_verdict('I4: results are the backend\'s, byte for byte', @wrong);
    return;
}


sub _wrong_result {
    my ($self, $job, $answer) = @_;
    return 'no answer' if !$answer;

    if (!defined $answer->header('Async-Result')) {
        return "failed with $job->{error}, but no problem says so"
            if $answer->{status} < 500
               || $answer->json->{code} ne $job->{error};
        return $job->{status} eq 'completed' ? 'no result' : undef;
    }

    my @runs = @{ $self->{arrived}{ $job->{n} } || [] };
    my ($method, $target, $body) = $self->{load}{request}->($job->{n});

    return "of status $answer->{status}" if $answer->{status} != 200;
    return undef if grep {
        $answer->{body} eq expected($method, $target, $body, $_->{n})
    } @runs;
    return length($answer->{body}) . ' other bytes';
}


sub _i7_store_in_order {
    my ($self) = @_;
    my ($code, $said) = $self->{t}->command('check');
    is($code, 0, "$self->{name}: I7: nginx-async check finds nothing")
        or diag($said);
    note("$self->{name}: check: $said");
    return;
}


sub _i8_refused {
    my ($self) = @_;
    my (@wrong, %why);

    for my $submit (@{ $self->{refused} }) {
        $why{ $submit->{status} }++;
        push @wrong, "$submit->{n}: $submit->{status}, and has a job"
            if $self->{by_key}{ $submit->{n} };
        push @wrong, "$submit->{n}: $submit->{status}, and ran"
            if $self->{arrived}{ $submit->{n} };
    }

    $self->{counts}{"refused with $_"} = $why{$_} for keys %why;
    $self->_verdict('I8: what was refused has no job and never ran', @wrong);
    return;
}


# the bytes that backend.py answers in its execution number n
sub expected {
    my ($method, $target, $body, $n) = @_;
    return $body if $target =~ /[?&]echo=1/;
    return pattern($1) if $target =~ /[?&]size=(\d+)/;
    return sprintf '{"n": %d, "method": "%s", "target": "%s", '
                   . '"length": %d, "sha256": "%s"}',
                   $n, $method, $target, length $body, sha256_hex($body);
}


1;
