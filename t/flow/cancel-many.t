#!/usr/bin/env perl

# Cancels at four nginx workers that are reloaded meanwhile, with the worker
# killed in between: each job ends once, as its answer said, and its backend
# sees the connection close.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use AsyncClient;
use AsyncTest;
use Test::More;


# reuseport: connections are spread over the nginx workers
my $t = AsyncTest->new(workers => 4, http => <<'END');
    async_queue many concurrency=100;
    log_format pids '$pid $request_method $status';

    server {
        listen 127.0.0.1:%%PORT%% reuseport;
        access_log pids.log pids;

        location /a {
            async on queue=many;
            async_retry 5 backoff=10ms:10ms;
            proxy_pass http://%%BACKEND%%;
        }

        location /later {
            async on queue=many;
            async_delay 1h;
            proxy_pass http://%%BACKEND%%;
        }

        location /jobs/ { async_status; }
    }
END

$t->start;


# half of them may be repeated; their paths
sub running {
    my ($name, $n) = @_;
    my @jobs = map {
        $t->job_path($t->submit("/a?sleep=100&key=$name", body => 'b',
                                method => $_ % 2 ? 'POST' : 'PUT'))
    } 1 .. $n;

    ok(poll_until(30, sub { seen($name, 'arrived') >= $n }), "$name: they run");
    return @jobs;
}


sub seen {
    my ($name, $event) = @_;
    return scalar grep { $_->{target} =~ /key=$name$/ }
                  $t->backend_log($event);
}


sub cancels { return map { AsyncClient->request($t, 'DELETE', $_) } @_ }


# what became of them, and of their cancels
sub ended {
    my ($name, $jobs, $answers) = @_;
    my @said = map { my $answer = $_->answer; $answer ? $answer->{status} : 0 }
               @$answers;
    my @ends = map { $t->wait_job($_) } @$jobs;

    is_deeply([grep { $_->{status} ne 'canceled' } @ends], [],
              "$name: all are canceled");
    is_deeply([grep { $_ != 202 && $_ != 200 } @said], [],
              "$name: and all were told");
    is_deeply([map { $_->{attempt} // 0 } @ends], [(1) x @ends],
              "$name: none was tried again");
    is(scalar(grep { $_->{outcomeUnknown} } @ends), scalar(@ends),
       "$name: what came of them is not known");
    ok(poll_until(30, sub { seen($name, 'gone') >= @$jobs }),
       "$name: the backend sees all connections close");
    is(seen($name, 'arrived'), scalar(@$jobs), "$name: it got each once");
    return;
}


# --- under a reload -------------------------------------------------------

my @jobs    = running('reload', 24);
my @answers = cancels(@jobs[0 .. 7]);
kill 'HUP', $t->pid('nginx');
push @answers, cancels(@jobs[8 .. 15]);
$t->reload;
push @answers, cancels(@jobs[16 .. 23]);
ended('reload', \@jobs, \@answers);


# --- with the worker killed -----------------------------------------------

@jobs    = running('killed', 24);
@answers = cancels(@jobs[0 .. 7]);
$t->kill_worker;
push @answers, cancels(@jobs[8 .. 15]);
$_->answer for cancels(@jobs[0 .. 15]);      # once more, while nobody is there
$t->start_worker;
push @answers, cancels(@jobs[16 .. 23]);

# who runs again after the worker's death was not to be canceled by then
my %again;
for my $job (@jobs[16 .. 23]) {
    my $end = $t->wait_job($job);
    $again{"$end->{status} " . ($end->{error}{code} // '')}++;
}
note("$_: $again{$_}") for sort keys %again;
is_deeply([grep { !/^(?:canceled |failed outcome-unknown)$/ } keys %again],
          [], 'killed: those that were asked for later have ended');
my @early = splice @answers, 0, 16;
my @told  = map { my $answer = $_->answer; $answer ? $answer->{status} : 0 }
            @answers;
is_deeply([grep { !/^(?:200|202|409)$/ } @told], [],
          'killed: who asked later was told');

is_deeply([map { my $end = $t->wait_job($_); "$end->{status} $end->{attempt}" }
               @jobs[0 .. 15]], [('canceled 1') x 16],
          'killed: who was asked for before is canceled by the next');
is_deeply([map { my $answer = $_->answer; $answer ? $answer->{status} : 0 }
               @early], [(202) x 16], 'killed: as it was said');
ok(poll_until(30, sub { seen('killed', 'gone') >= 24 }),
   'killed: the backend sees all connections close');


# --- both at once, at jobs that wait --------------------------------------

@jobs    = map { $t->job_path($t->submit('/later')) } 1 .. 40;
@answers = cancels(@jobs[0 .. 19]);
$t->kill_worker;
kill 'HUP', $t->pid('nginx');
push @answers, cancels(@jobs[20 .. 39], @jobs[0 .. 9]);
$t->start_worker;
is_deeply([map { my $answer = $_->answer; $answer ? $answer->{status} : 0 }
               @answers], [(200) x 50], 'waiting: all are canceled at once');
is_deeply([grep { $t->get($_)->json->{status} ne 'canceled' } @jobs], [],
          'waiting: and stay so');

my %pids = map { /^(\d+) DELETE 20[02]$/ ? ($1 => 1) : () }
           split /\n/, slurp($t->root . '/pids.log');
cmp_ok(scalar(keys %pids), '>', 4, 'cancels came to old nginx workers and new');
is(($t->command('check'))[0], 0, 'the store is in order');

$t->done;
done_testing;
