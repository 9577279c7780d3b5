#!/usr/bin/env perl

# conf-examples/quickstart.conf and the sample backend.

use strict;
use warnings;

use AsyncExample;
use AsyncTest;
use Digest::SHA qw(sha256_hex);
use Test::More;


my $t       = AsyncExample->new('quickstart.conf')->start;
my @answers = $t->by_hand;

is_deeply([map { $_->{status} } @answers], [202, 200, 202],
          'by hand: accepted, its status, no result yet');

my $body = 'the quick brown fox';
my ($job, $result) = $t->submit_and_wait('/reports?seconds=0.2',
                                         body => $body);

is($job->{status}, 'completed', 'a report: completed');
is($result->{status}, 200, 'a report: 200');
is_deeply($result->json, {
    bytes => length $body, words => 4, sha256 => sha256_hex($body),
    seconds => 0.2,
}, 'a report: what the backend computed');

($job, $result) = $t->submit_and_wait('/reports?seconds=x', body => '');
is($job->{error}{code}, 'backend-status', 'a bad report: failed');
is($result->{status}, 400, 'a bad report: 400');

$t->done;
done_testing;
