#!/usr/bin/env perl

# The store is as full as it may be, and a queue: submits are refused, what
# was accepted ends all the same, and retention makes room again.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use AsyncLoad;
use AsyncPreload;
use AsyncTest;
use Test::More;
use Time::HiRes qw(time);


my $size = 16 << 20;
my $t    = AsyncTest->new(store => 'size=16m', workers => 2, http => <<'END');
    async_queue slow  concurrency=2;
    async_queue small concurrency=1 max_queued=5;
    async_retention 2s failed=2s history=3s;

    server {
        listen 127.0.0.1:%%PORT%%;
        client_body_buffer_size 256k;

        location / {
            async on;
            proxy_pass http://%%BACKEND%%;
        }

        location /slow {
            async on queue=slow;
            proxy_pass http://%%BACKEND%%;
        }

        location /small {
            async on queue=small;
            proxy_pass http://%%BACKEND%%;
        }

        location /jobs/ {
            async_status;
        }
    }
END

$t->start;


sub refused {
    my ($name, $answer, $code) = @_;
    is($answer->{status}, 503, "$name: 503");
    is($answer->json->{code}, $code, "$name: $code");
    ok(!exists $answer->json->{outcome}, "$name: there is no job");
    like($answer->header('Retry-After'), qr/^[1-9]\d*$/,
         "$name: come again");
    return;
}


# the document, or what is left to say of a job that retention took meanwhile
sub ended {
    my ($path) = @_;
    return poll_until(60, sub {
        my $answer = $t->get($path) or return;
        return 'gone' if $answer->{status} == 404;
        my $status = $answer->json->{status};
        return $status =~ /^(?:completed|failed|canceled)$/ ? $status : undef;
    }) // 'open';
}


sub ran {
    my ($key) = @_;
    return scalar grep { $_->{target} =~ /[?&]key=$key(?:&|$)/ }
           $t->backend_log('arrived');
}


# --- a full queue ---------------------------------------------------------

my @queued = map { $t->job_path($t->submit("/small?sleep=2&key=small$_",
                                           body => 'b')) } 1;
poll_until(20, sub { ran('small1') }) or die 'it does not run';
push @queued, map { $t->job_path($t->submit("/small?key=small$_",
                                            body => 'b')) } 2 .. 6;
refused('a full queue', $t->request('POST', '/small?key=small7', body => 'b'),
        'queue-full');
is($t->request('POST', '/?key=other', body => 'b')->{status}, 202,
   'a full queue: others take jobs');
is_deeply([grep { !/^(?:completed|gone)$/ } map { ended($_) } @queued], [],
          'a full queue: its jobs run');
is_deeply([map { ran("small$_") } 1 .. 7], [(1) x 6, 0],
          'a full queue: each once, the refused one not');
ok(poll_until(20, sub {
       $t->request('POST', '/small?key=small8', body => 'b')->{status} == 202;
   }), 'a full queue: it takes jobs again');


# --- a full store ---------------------------------------------------------

# each runs for a while, with a result as large as its request
for my $round (1 .. long_run(2, 20)) {
    my $name = "round $round";
    my (@accepted, $answer);
    my $body = 'x' x 60_000;

    # faster than they run
    for my $n (0 .. 2000) {
        $answer = $t->request('POST', "/slow?sleep=0.05&size=30000"
                                      . '&key=' . ($round * 100_000 + $n),
                              body => $body);
        last if $answer->{status} != 202;
        push @accepted, $t->job_path($answer);
    }

    refused("$name, a full store", $answer, 'store-full');
    note("$name: accepted ", scalar @accepted, ' jobs with 60 KB each');
    cmp_ok(@accepted * 60_000, '>', $size / 4, "$name: not at once");

    note(sprintf '%s: data.mdb has %.1f of 16 MB', $name,
         (-s $t->store . '/db/data.mdb') / (1 << 20));
    cmp_ok(-s $t->store . '/db/data.mdb', '<=', $size, "$name: in its size");

    # all land, though no job is accepted
    my @ends = map { ended($_) } @accepted;
    is_deeply([grep { !/^(?:completed|gone)$/ } @ends], [],
              "$name: what was accepted has run");
    my $ran = AsyncLoad::executions($t);
    is_deeply([grep { ($ran->{ $round * 100_000 + $_ } // 0) != 1 }
               0 .. $#accepted], [],
              "$name: each once");

    my $began = time;
    ok(poll_until(30, sub {
           $answer = $t->request('POST', "/?key=room$round", body => $body);
           return $answer->{status} == 202;
       }), "$name: there is room again by retention");
    note(sprintf '%s: accepted again after %.2f s', $name, time - $began);
    like(ended($t->job_path($answer)), qr/^(?:completed|gone)$/,
         "$name: and the job runs");
    AsyncLoad::check_clean($t, $name);
}

# all that was there is gone in the end
ok(poll_until(30, sub {
       my ($code, $said) = $t->command('check', '--json');
       return $code == 0 && JSON::PP::decode_json($said)->{jobs} == 0;
   }), 'nothing is left after its history');
$t->done;
done_testing;


