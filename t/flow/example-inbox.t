#!/usr/bin/env perl

# conf-examples/inbox.conf: async_verify.

use strict;
use warnings;

use AsyncExample;
use AsyncTest;
use Test::More;


my $t       = AsyncExample->new('inbox.conf')->start;
my @answers = $t->by_hand;

is($answers[0]{status}, 202, 'signed: a job');
is($answers[1]{status}, 202, 'sent again');
is($answers[1]->json->{id}, $answers[0]->json->{id}, 'the same job');
is($answers[1]->header('Idempotent-Replayed'), 'true', 'and it says so');
is($answers[2]{status}, 401, 'not signed');
is($answers[2]->json->{code}, 'signature-invalid', 'that is why');
is($answers[3]{status}, 200, 'the job is there');

my $job = $t->wait_job('/jobs/' . $answers[0]->json->{id});

is($job->{status}, 'completed', 'it runs');
is($job->{queue}, 'inbox', 'in its queue');
is($t->get($job->{resultUrl})->json->{words}, 3, 'the backend has got it');

$t->done;
done_testing;
