#!/usr/bin/env perl

# conf-examples/pollers.conf: limit_req on the status location.

use strict;
use warnings;

use AsyncExample;
use AsyncTest;
use Test::More;
use Time::HiRes qw(sleep);


my $t       = AsyncExample->new('pollers.conf')->start;
my @answers = $t->by_hand;

is(shift(@answers)->{status}, 202, 'by hand: accepted');
is($answers[0]{status}, 200, 'by hand: its status');
is($answers[0]->header('Retry-After'), 2, 'which says when to come back');
is(scalar $answers[0]->headers('Retry-After'), 1, 'once');


# --- one that polls in a loop ---------------------------------------------

my $job  = $t->job_path($t->submit('/reports?seconds=0'));
my $slow = poll_until(20, sub {
    my $answer = $t->get($job);
    return $answer->{status} == 429 ? $answer : undef;
});

ok($slow, 'a loop without a pause: 429');
is($slow->header('Retry-After'), 2, 'and when to come back');

my $other = $t->job_path($t->submit('/reports?seconds=0'));
is($t->get($other)->{status}, 200, 'another job of this client: not held back');

sleep $slow->header('Retry-After');
is($t->get($job)->{status}, 200, 'after the pause that it was told: 200');


# --- one that does what it is told ----------------------------------------

my $answer = $t->submit('/reports?seconds=7');
my $path   = $t->job_path($answer);
my @seen;

do {
    sleep $answer->header('Retry-After');
    $answer = $t->get($path);
    push @seen, $answer->{status};
} while $answer->header('Retry-After') && @seen < 20;

is_deeply([grep { $_ != 200 } @seen], [], 'a patient client: never a 429');
is($answer->json->{status}, 'completed', 'and it sees the end');


# --- one that guesses -----------------------------------------------------

my %count;
for (1 .. 1000) {
    my $id = sprintf '0192f3c1-7a9b-7c3e-9d2f-%012x', $_;
    $count{ $t->get("/jobs/$id")->{status} }++;
    last if $count{429};
}

ok($count{404}, 'made up ids: 404');
ok($count{429}, 'until the client is held back')
    or diag explain \%count;

$t->done;
done_testing;
