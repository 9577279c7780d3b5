#!/usr/bin/env perl

# conf-examples/azure.conf and odata.conf.

use strict;
use warnings;

use AsyncExample;
use AsyncTest;
use Test::More;


# --- azure ----------------------------------------------------------------

my $t       = AsyncExample->new('azure.conf', name => 'example-azure')->start;
my $base    = 'http://127.0.0.1:' . $t->port;
my @answers = $t->by_hand;
my $job     = $answers[0]->header('Operation-Location');

is_deeply([map { $_->{status} } @answers], [202, 200], 'azure, by hand');
like($job, qr{^$base/operations/[0-9a-f-]{36}$}, 'azure: where the job is');
is($answers[0]->header('Location'), "$job/result",
   'azure: where its result will be');
like($answers[1]->json->{status}, qr/^(?:NotStarted|Running)$/,
     'azure: its status');

my $path  = $t->job_path($job);
my $ended = poll_until(30, sub {
    my $document = $t->get($path)->json;
    return $document->{status} eq 'Succeeded' ? $document : undef;
});

is($ended->{resourceLocation}, "$job/result", 'azure: it has a result');
is($t->get($t->job_path($ended->{resourceLocation}))->json->{words}, 2,
   'azure: the result');
is($t->get('/operations/x')->json->{error}{code}, 'job-not-found',
   'azure: an error');
$t->done;


# --- odata ----------------------------------------------------------------

$t       = AsyncExample->new('odata.conf', name => 'example-odata')->start;
@answers = $t->by_hand;
$path    = $t->job_path($answers[0]);

is_deeply([map { $_->{status} } @answers], [202, 202, 200], 'odata, by hand');
like($path, qr{^/monitors/}, 'odata: where the job is');
ok($answers[1]->header('Retry-After'), 'odata: when to ask again');
is($answers[2]->json->{words}, 2, 'odata: who does not ask waits');

my $answer = poll_until(30, sub {
    my $answer = $t->get($path);
    return $answer->{status} == 200 ? $answer : undef;
});

is($answer->header('AsyncResult'), 200, 'odata: then the answer itself');
is($answer->json->{words}, 2, 'odata: whose body is the result');

$t->done;
done_testing;
