#!/usr/bin/env perl

# conf-examples/per-route.conf: prefer, on, and neither.

use strict;
use warnings;

use AsyncExample;
use AsyncTest;
use Test::More;


my $t       = AsyncExample->new('per-route.conf')->start;
my @answers = $t->by_hand;

is_deeply([map { $_->{status} } @answers], [200, 202, 200, 202, 200, 200],
          'by hand: a job where it was asked for, or for everyone');
is($answers[0]->json->{words}, 2, 'who does not ask waits for the backend');
is($answers[1]->header('Preference-Applied'), 'respond-async',
   'who asks is told that it was heard');
is($answers[4]->json->{words}, 2, 'and a bypass is a bypass');

for my $how ([reports => 'Prefer', 'respond-async'], ['batch']) {
    my ($path, @headers) = @$how;
    my ($job, $result) = $t->submit_and_wait("/$path?seconds=0",
                                             body => 'two words',
                                             headers => \@headers);

    is($job->{status}, 'completed', "$path: completed");
    is($result->json->{words}, 2, "$path: the result");
}

$t->done;
done_testing;
