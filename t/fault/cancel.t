#!/usr/bin/env perl

# A DELETE whose answer comes late: nginx stands from the commit on until the
# worker has done as it was asked.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use AsyncClient;
use AsyncPreload;
use AsyncTest;
use JSON::PP;
use Test::More;


my $t = AsyncTest->new(workers => 1, http => <<'END');
    server {
        listen 127.0.0.1:%%PORT%%;

        location /reports {
            async on;
            proxy_pass http://%%BACKEND%%;
        }

        location /jobs/ {
            async_status;
        }
    }
END

my $control = AsyncPreload->new($t, 'hold');

$t->start_backend;
$control->preloaded(sub { $t->start_nginx });
$t->start_worker;


sub state {
    my ($path) = @_;
    my ($id) = $path =~ m{([^/]+)$};
    return decode_json(($t->command('show', '--json', $id))[1])->{job}{status};
}


my $path = $t->job_path($t->submit('/reports?sleep=60', body => 'b'));
ok(poll_until(20, sub { $t->backend_log('arrived') }), 'the backend has it');
my $etag = $t->get($path)->header('ETag');

$control->set(every => 1);
my $client = AsyncClient->request($t, 'DELETE', $path);
ok(poll_until(20, sub { $control->get('held') }), 'its worker is asked');
ok(poll_until(20, sub { state($path) eq 'canceled' }), 'and done with it');
$control->set(every => 0, held => 0);

my $answer = $client->answer;
is($answer->{status}, 202, 'the answer is that it was asked');
is($answer->header('Retry-After'), 5, 'Retry-After');
is($answer->json->{status}, 'processing', 'of the job as it was then');
ok($answer->json->{cancelRequested}, 'with the mark');
isnt($answer->header('ETag'), $etag, 'and a tag of its own');

my $now = $t->get($path);
is($now->json->{status}, 'canceled', 'it is canceled');
isnt($now->header('ETag'), $answer->header('ETag'), 'which is another tag');
is($t->request('DELETE', $path)->{status}, 200, 'DELETE once more: 200');

$t->done;
done_testing;
