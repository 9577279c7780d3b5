#!/usr/bin/env perl

# What an owner may do with his jobs, and that for another there are none.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use AsyncTest;
use Test::More;


my $t = AsyncTest->new(workers => 2, http => <<'END');
    async_queue other;

    server {
        listen 127.0.0.1:%%PORT%%;
        async_owner $http_x_user;

        location /a {
            async on;
            proxy_pass http://%%BACKEND%%;
        }

        location /other {
            async on queue=other;
            async_delay 1h;
            proxy_pass http://%%BACKEND%%;
        }

        location /jobs/ { async_status; }
    }

    server {
        listen 127.0.0.1:%%PORT_OPEN%%;

        location /a {
            async on;
            proxy_pass http://%%BACKEND%%;
        }

        location /jobs/ { async_status; }
    }
END

$t->start;

my $unknown = '0192f3c1-7a9b-7c3e-9d2f-1b5e0c8a4d11';


sub as {
    my ($who, %args) = @_;
    my @more = @{ delete $args{headers} || [] };
    return (headers => [defined $who ? ('X-User' => $who) : (), @more], %args);
}


# all of an answer but its date
sub all_of {
    my ($answer) = @_;
    return $answer ? $answer->{head} =~ s/^Date:.*\r\n//mr . $answer->{body}
                   : 'no answer';
}


# the pages of a list: its documents, in order; dies at an endless one
sub pages {
    my ($who, $query) = @_;
    my (@jobs, $cursor, $pages);

    do {
        my $answer = $t->get("/jobs/?$query" . ($cursor ? "&cursor=$cursor" : ''),
                             as($who));
        die "$query: ", all_of($answer) if $answer->{status} != 200;
        die "$query: no end" if ++$pages > 1000;

        my $json = $answer->json;
        push @jobs, @{ $json->{jobs} };
        $cursor = $json->{nextCursor};
    } while (defined $cursor);

    return @jobs;
}


# a job that has ended, one that runs and one that waits

my %job;
$job{ended}   = $t->submit('/a', as('ann'))->json->{id};
$t->wait_job("/jobs/$job{ended}", 30, as('ann'));
$job{running} = $t->submit('/a?sleep=60', as('ann'))->json->{id};
$job{waiting} = $t->submit('/other', as('ann'))->json->{id};

ok(poll_until(20, sub {
    $t->get("/jobs/$job{running}", as('ann'))->json->{status} eq 'processing'
}), 'a job runs');

my @told;

for my $state (sort keys %job) {
    for my $who ('bob', '', undef) {
        for my $method (qw(GET HEAD DELETE POST PUT OPTIONS)) {
            for my $below ('', '/result', '/history', '/events', '/x') {
                my ($theirs, $none) = map {
                    all_of($t->request($method, "/jobs/$_$below", as($who)))
                } $job{$state}, $unknown;

                push @told, "$method $below of one that is $state, as "
                            . ($who // 'nobody') . ": $theirs, not $none"
                    if $theirs ne $none;
            }
        }
    }
}

is_deeply(\@told, [], 'whatever others do, it is as if it had never been');

for my $headers (['If-None-Match' => '*'], ['If-None-Match' => '"1"'],
                 ['Prefer' => 'wait=1'], ['Range' => 'bytes=0-1'],
                 ['Accept' => 'text/event-stream']) {
    my ($theirs, $none) = map {
        all_of($t->get("/jobs/$_", as('bob', headers => $headers)))
    } $job{ended}, $unknown;
    is($theirs, $none, "@$headers does not help another");
}

for my $below ('', '/result', '/history') {
    is(all_of($t->get("/jobs/$job{ended}$below", port => 'OPEN')),
       all_of($t->get("/jobs/$unknown$below", port => 'OPEN')),
       "a status location that knows no owners has no job of one: $below");
}

is($t->get("/jobs/$job{$_}", as('ann'))->{status}, 200, "ann's is there: $_")
    for sort keys %job;
is($t->get("/jobs/$job{ended}/result", as('ann'))->{status}, 200,
   'with its result');
is($t->get("/jobs/$job{waiting}", as('ann'))->json->{status}, 'scheduled',
   'nothing that others sent has changed it');
is($t->request('DELETE', "/jobs/$job{waiting}", as('ann'))->{status}, 200,
   'its owner may cancel it');
is($t->request('DELETE', "/jobs/$job{running}", as('ann'))->{status}, 202,
   'and one that runs');


# lists

my @mine;
my $several = 450;

push @mine, $t->submit($_ % 10 ? '/a' : '/other', as('cyd'))->json->{id}
    for 1 .. $several;
$t->submit('/a', as('dan'));

ok(poll_until(60, sub { pages('cyd', 'status=completed') == $several * 0.9 }),
   'all that could run have run');

for my $limit (200, 50, 7) {
    my @listed = pages('cyd', "limit=$limit");
    my @times  = map { $_->{createdAt} } @listed;

    is_deeply([sort map { $_->{id} } @listed], [sort @mine],
              "each of them once, $limit at a time");
    is_deeply(\@times, [reverse sort @times], 'newest first');
}

is(scalar(my @one = pages('dan', '')), 1, 'others have their own');
is_deeply([pages('eve', '')], [], 'or none');

my @other = pages('cyd', 'queue=other&limit=200');
is(scalar @other, $several / 10, 'of one queue');
is(scalar(grep { $_->{queue} ne 'other' } @other), 0, 'and of no other');
is(scalar(my @scheduled = pages('cyd', 'status=scheduled&limit=13')),
   $several / 10, 'of one status');
is_deeply([pages('cyd', 'status=failed')], [], 'of a status that none has');
is_deeply([pages('cyd', 'queue=none')], [], 'of a queue that is none');

my $page = $t->get('/jobs/?limit=3&unknown=1', as('cyd'));
is(scalar @{ $page->json->{jobs} }, 3, 'limit');
is($page->header('Cache-Control'), 'no-store', 'a list is not cached');
is($page->header('Content-Type'), 'application/json', 'Content-Type');
is_deeply($_, $t->get("/jobs/$_->{id}", as('cyd'))->json,
          'its documents are those of the jobs') for $page->json->{jobs}[0];

my $head = $t->request('HEAD', '/jobs/?limit=3', as('cyd'));
is($head->{status}, 200, 'HEAD');
is($head->header('Content-Length'), length $page->{body}, 'of the same length');

# a cursor is a place, and no right
is_deeply($t->get('/jobs/?cursor=' . $page->json->{nextCursor},
                  as('eve'))->json, { jobs => [] }, "another's cursor");

for my $bad ('limit=0', 'limit=201', 'limit=x', 'status=done', 'cursor=x') {
    my $answer = $t->get("/jobs/?$bad", as('cyd'));
    is($answer->{status}, 400, $bad);
    is($answer->json->{code}, 'query-invalid', 'code');
    like($answer->json->{detail}, qr/"(\w+)"/, 'says which');
}

my $nobody = $t->get('/jobs/', as(''));
is($nobody->{status}, 403, 'nobody has no list');
is($nobody->json->{code}, 'owner-required', 'code');
is(all_of($t->get('/jobs/', port => 'OPEN')),
   all_of($t->get("/jobs/$unknown", port => 'OPEN')),
   'there is none without owners');

my $post = $t->request('DELETE', '/jobs/', as('cyd'));
is($post->{status}, 405, 'a list is only read');
is($post->header('Allow'), 'GET, HEAD, OPTIONS', 'Allow');
is($t->request('OPTIONS', '/jobs/', as('cyd'))->header('Allow'),
   'GET, HEAD, OPTIONS', 'OPTIONS');

$t->done;
done_testing;
