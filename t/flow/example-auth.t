#!/usr/bin/env perl

# conf-examples/auth-basic.conf and auth-certificate.conf: jobs with owners.

use strict;
use warnings;

use AsyncExample;
use AsyncTest;
use MIME::Base64 qw(encode_base64);
use Test::More;


# --- by password ----------------------------------------------------------

my $t = AsyncExample->new('auth-basic.conf', name => 'example-auth-basic',
                          recorder => 1)->start;
my @answers = $t->by_hand;

is_deeply([map { $_->{status} } @answers], [202, 200, 404, 401],
          'by password: accepted, for its owner, for another, for nobody');

my %as  = map { $_->[0] => [Authorization =>
                            'Basic ' . encode_base64("$_->[0]:$_->[1]", '')] }
          [ann => 'a-secret'], [bob => 'b-secret'], [eve => 'a-secret'];
my $url = $t->job_path($answers[0]);

is($t->get($url, headers => $as{eve})->{status}, 401, 'a made up name: 401');
is($t->request('POST', '/reports', body => '')->{status}, 401,
   'no name: nothing is accepted');

my $job = $t->wait_job($url, 30, headers => $as{ann});

is($job->{status}, 'completed', 'completed');
is($t->get("$url/result", headers => $as{ann})->{status}, 200,
   'the result: for its owner');
is($t->get("$url/result", headers => $as{bob})->{status}, 404,
   'the result: not there for another');

my ($head) = $t->backend_request;
like($head, qr/^X-User: ann\r$/m, 'the backend gets the name');
unlike($head, qr/^Authorization/mi, 'and not the password');
$t->done;


# --- by certificate -------------------------------------------------------

$t = AsyncExample->new('auth-certificate.conf',
                       name => 'example-auth-certificate',
                       recorder => 1)->start;
@answers = $t->by_hand;

is_deeply([map { $_->{status} } @answers], [202, 200, 404, 400],
          'by certificate: accepted, for its owner, for another, for nobody');

$url = $answers[0]->header('Location');
my $root = $t->root;
my @ca   = ('--cacert', "$root/ca.pem");

ok(poll_until(20, sub {
    my $answer = $t->curl(@ca, '--cert', "$root/ann.pem",
                          '--key', "$root/ann.key", $url);
    return $answer->json->{status} eq 'completed';
}), 'completed');

($head) = $t->backend_request;
like($head, qr/^X-User: CN=ann\r$/m, 'the backend gets the name');

$t->make_certificate('ann');
ok(!eval { $t->curl(@ca, '--cert', "$root/cert.pem",
                    '--key', "$root/key.pem", $url)->{status} == 200 },
   'a certificate of nobody that is trusted: refused');

$t->done;
done_testing;
