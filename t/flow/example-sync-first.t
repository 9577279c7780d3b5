#!/usr/bin/env perl

# conf-examples/sync-first.conf: async_wait.

use strict;
use warnings;

use AsyncExample;
use AsyncTest;
use Test::More;


my $t       = AsyncExample->new('sync-first.conf')->start;
my @answers = $t->by_hand;

is($answers[0]{status}, 200, 'a fast one: the answer of the backend');
is($answers[0]->json->{words}, 2, 'itself');
is($answers[0]->header('Async-Result'), 200, 'which is a result');
ok($answers[0]->header('Async-Job-Id'), 'of a job');

is($answers[1]{status}, 202, 'a slow one: a job');
is($answers[2]{status}, 200, 'whose status is there');
is($answers[3]->json->{status}, 'completed', 'and who waits sees its end');

my $answer = $t->submit('/reports?seconds=0',
                        headers => [Prefer => 'wait=0']);
ok($answer->header('Location'), 'who will not wait gets a job at once');

$t->done;
done_testing;
