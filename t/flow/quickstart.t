#!/usr/bin/env perl

# conf-examples/quickstart.conf and the sample backend, as they are but for
# ports and folder.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use AsyncTest;
use Cwd qw(abs_path);
use Digest::SHA qw(sha256_hex);
use Test::More;


my $top     = abs_path("$FindBin::Bin/../..");
my $t       = AsyncTest->new;
my $root    = $t->root;
my $example = slurp("$top/conf-examples/quickstart.conf");

ok($example =~ s{\bbuild/demo/}{$root/}g, 'the example keeps to build/demo');
ok($example =~ s/127\.0\.0\.1:8080\b/'127.0.0.1:' . $t->port/ge,
   'it listens on 8080');
ok($example =~ s/127\.0\.0\.1:8081\b/'127.0.0.1:' . $t->port('BACKEND')/ge,
   'its backend is at 8081');

my $conf = $t->write_file('nginx.conf', $example);
my $user = $> == 0 ? "user $t->{user};" : '';

$t->{store_path} = "$root/store";
$t->spawn('backend', 'python3', "$top/conf-examples/backend.py",
          $t->port('BACKEND'));
$t->spawn('nginx', $t->{nginx}, '-p', "$top/", '-c', $conf,
          '-e', "$root/error.log", '-g', "daemon off; $user");

ok(poll_until(20, sub { $t->get('/jobs/x') }), 'nginx is up');
ok(poll_until(20, sub { $t->get('/', port => 'BACKEND') }),
   'the backend is up');
$t->start_worker;


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
