#!/usr/bin/env perl

# What a backend reports of its job, by the URL that it was given: seen in the
# document, by long polls and in the history; refused where it is no report,
# or none of an attempt that runs; and as often as it likes.

use strict;
use warnings;

use AsyncClient;
use AsyncTest;
use IO::Socket::INET;
use JSON::PP qw(encode_json);
use Test::More;

my $t = AsyncTest->new(workers => 2, http => <<'END');
    server {
        listen 127.0.0.1:%%PORT%% reuseport;
        async_owner $http_x_owner;

        location /a         { async on; async_wait 0 max=60s;
                              proxy_pass http://%%BACKEND%%; }
        location /put       { async on; async_retry 3 backoff=10ms:20ms;
                              proxy_pass http://%%BACKEND%%; }
        location /jobs/     { async_status; async_wait 0 max=60s; }
        location /progress/ { async_progress; client_body_buffer_size 1k; }
    }

    server {
        listen 127.0.0.1:%%PORT%%;
        server_name other.test;

        location /a     { async on; proxy_pass http://%%BACKEND%%; }
        location /jobs/ { async_status; }
        location /p/    { async_progress; }
    }

    server {
        listen 127.0.0.1:%%PORT_BASE%%;

        location /a     { async on; proxy_pass http://%%BACKEND%%; }
        location /jobs/ { async_status; }
        location /p/    { async_progress base=https://gateway.test/in/; }
    }

    server {
        listen 127.0.0.1:%%PORT_NONE%%;

        location /a     { async on; proxy_pass http://%%BACKEND%%; }
        location /jobs/ { async_status; }
    }
END
$t->start;

my @alice = (headers => ['X-Owner' => 'alice']);


# a job that runs: (its path, the path that its backend reports to)
sub running {
    my ($target, %args) = @_;
    my $before = $t->backend_count('executions');
    my $path   = $t->job_path($t->submit($target, @alice, %args));

    poll_until(20, sub { $t->backend_count('executions') > $before })
        or die 'the job does not run';
    return ($path, reports_to());
}


sub header_of {
    my ($name) = @_;
    return (($t->backend_request)[0] =~ /^\Q$name\E: (.*?)\r$/mi)[0];
}


sub reports_to {
    my $url = header_of('Async-Progress-Url') // return;
    return $url =~ s{^https?://[^/]+}{}r;
}


sub report {
    my ($url, $body, %args) = @_;
    return $t->request($args{method} // 'POST', $url,
                       body => ref $body ? encode_json($body) : $body);
}


# in pieces that nginx is not told the length of
sub report_chunked {
    my ($url, $body) = @_;
    return $t->raw("POST $url HTTP/1.1\r\nHost: a\r\nConnection: close\r\n"
                   . "Transfer-Encoding: chunked\r\n\r\n"
                   . sprintf("%x\r\n%s\r\n0\r\n\r\n", length $body, $body));
}


sub document { return $t->get($_[0], @alice)->json }


subtest 'a report is there when it is answered' => sub {
    my ($job, $url) = running('/a?sleep=3', headers =>
        ['X-Owner' => 'alice', 'Async-Progress-Url' => 'http://evil.test/']);
    my $port = $t->port;

    is(header_of('Async-Progress-Url'), "http://127.0.0.1:$port$url",
       'it has the address that the client came to');
    like($url, qr{^/progress/[0-9a-f-]{36}/1-[0-9a-f]{32}$}, 'and one path');

    my $etag = $t->get($job, @alice)->header('ETag');
    my $poll = AsyncClient->get($t, $job, headers =>
        ['X-Owner' => 'alice', 'Prefer' => 'wait=50',
         'If-None-Match' => $etag]);

    my $answer = report($url, { percentComplete => 35,
                                message => 'page 7 of 20' });
    is($answer->{status}, 204, 'it is taken');
    is($answer->{body}, '', 'and nothing else');
    my $document = document($job);
    is($document->{percentComplete}, 35, 'how far it is');
    is($document->{message}, 'page 7 of 20', 'and what is done');
    ok(!exists $document->{estimated}, 'is not estimated');
    is($poll->answer->json->{percentComplete}, 35, 'a long poll is told');

    is(report($url, { percentComplete => 40 }, method => 'PUT')->{status},
       204, 'PUT');
    is_deeply([@{ document($job) }{qw(percentComplete message)}],
              [40, 'page 7 of 20'], 'a field that is not said stands');

    my ($line) = grep { $_->{event} eq 'progress' }
                 @{ $t->get("$job/history", @alice)->json->{events} };
    is($line->{by}, 'backend', 'its history says who said it');

    is(report($url, { message => "\x{e9}" x 512 })->{status}, 204,
       'a long message');

    for my $bad ('', '{}', '[]', '{"percentComplete":101}', 'x' x 4096,
                 '{"percentComplete":-1}', '{"percentComplete":"5"}',
                 '{"message":"' . 'x' x 1025 . '"}', '{"message":7}',
                 '{"message":"' . "\xff" . '"}', 'null',
                 '{"percentComplete":5}' . ' ' x 4096) {
        my $answer = report($url, $bad);
        is($answer->{status}, 400, 'no report: ' . substr $bad, 0, 30);
        is($answer->json->{code}, 'progress-invalid', 'it says so');
    }

    is(report_chunked($url, '{"percentComplete":6}' . ' ' x 5000)->{status},
       400, 'one in chunks that is too long');
    is(report_chunked($url, '{"percentComplete":44}' . ' ' x 2000)->{status},
       204, 'one in chunks, in a file of nginx');
    ok(poll_until(5, sub { document($job)->{percentComplete} == 44 }),
       'is taken');

    for my $method (qw(GET HEAD DELETE PATCH)) {
        my $answer = $t->request($method, $url);
        is($answer->{status}, 405, $method);
        is($answer->header('Allow'), 'POST, PUT, OPTIONS', 'what goes');
    }

    for my $other ($url =~ s/.$/x/r, $url =~ s{/1-}{/2-}r, $url . '0',
                   $url =~ s{/1-}{/01-}r, $url =~ s{/1-.*}{}r, '/progress/',
                   $url =~ s{^/progress/.}{/progress/f}r, "$url/",
                   $url =~ s{/1-\K.*}{'0' x 32}er) {
        my $answer = report($other, { percentComplete => 1 });
        is($answer->{status}, 404, 'not handed out: ' . substr $other, 10);
    }

    is(document($job)->{percentComplete}, 44, 'none of that was a report');
    $t->wait_job($job, 30, @alice);
    $answer = report($url, { percentComplete => 99 });
    is($answer->{status}, 409, 'a job that has ended');
    is($answer->json->{code}, 'job-finished', 'it says so');
    is(document($job)->{percentComplete}, 44, 'stays as it was');
    is_deeply([grep { $_->{event} eq 'progress' }
               @{ $t->get("$job/history", @alice)->json->{events} }], [],
              'its history is that of its states');
};


subtest 'an attempt has a URL of its own' => sub {
    my $before = $t->backend_count('executions');
    my $job = $t->job_path($t->submit('/put?fail=1&sleep=1.5',
                                      method => 'PUT', @alice));
    my @urls;

    for my $n (1, 2) {
        poll_until(20, sub {
            $t->backend_count('executions') >= $before + $n
        }) or die "attempt $n does not run";
        push @urls, reports_to();
        is(report($urls[-1], { percentComplete => 10 * $n })->{status}, 204,
           "attempt $n reports");
    }

    isnt($urls[0], $urls[1], 'to another URL');
    is(report($urls[0], { percentComplete => 77 })->{status}, 404,
       'the first has nothing to say any more');
    is(document($job)->{percentComplete}, 20, 'and says nothing');
    is($t->wait_job($job, 30, @alice)->{status}, 'completed', 'it ends');
    is(report($_, { percentComplete => 1 })->{status}, 409, 'both are over')
        for @urls;
};


subtest 'a chatty backend' => sub {
    my ($job, $url) = running('/a?sleep=3');
    my @sockets = map {
        IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $t->port)
            or die $!
    } 1 .. 4;
    my $refused = 0;

    for my $n (1 .. 1000) {
        my $body   = encode_json({ percentComplete => int $n / 10,
                                   message => "row $n" });
        my $answer = AsyncTest::Answer->read($sockets[$n % @sockets],
            "POST $url HTTP/1.1\r\nHost: a\r\nContent-Length: "
            . length($body) . "\r\n\r\n$body", 0, time + 20);
        $refused++ if !$answer || $answer->{status} != 204;
    }

    is($refused, 0, 'a thousand reports are taken');
    ok(poll_until(10, sub { document($job)->{message} eq 'row 1000' }),
       'the last one counts');

    my $seq = (@{ $t->get("$job/history", @alice)->json->{events} })[-1]{seq};
    cmp_ok($seq, '<', 100, "but few are written ($seq)");

    # one that goes on when its response is there
    my ($n, $answer) = (0);
    ok(poll_until(20, sub {
        for (1 .. 20) {
            $answer = report($url, { message => 'late ' . ++$n });
            return 1 if $answer->{status} != 204;
        }
        return;
    }), 'the job ends all the same');
    is($answer->{status}, 409, 'and then it is over');
    is(document($job)->{status}, 'completed', 'as it should');
};


subtest 'where they report' => sub {
    my $port = $t->port;

    running('/a?sleep=0', host => 'other.test');
    like(header_of('Async-Progress-Url'), qr{^http://other\.test:$port/p/},
         'by name, where only the name leads there');

    running('/a?sleep=0', host => 'evil.test:80');
    like(header_of('Async-Progress-Url'),
         qr{^http://127\.0\.0\.1:$port/progress/},
         'never by what a client calls the server');

    running('/a?sleep=0', port => 'BASE');
    like(header_of('Async-Progress-Url'),
         qr{^https://gateway\.test/in/p/[0-9a-f-]{36}/1-}, 'base');

    running('/a?sleep=0', port => 'NONE');
    like(header_of('Async-Progress-Url'), qr{^https://gateway\.test/in/p/},
         'a server without one uses that which has a base');
};


subtest 'a reload loses none' => sub {
    my ($job, $url) = running('/a?sleep=3');
    is(report($url, { percentComplete => $_, message => "m$_" })->{status},
       204, "report $_") for 1 .. 8;
    $t->reload;
    ok(poll_until(10, sub { document($job)->{percentComplete} == 8 }),
       'the last that was taken is there');
    is(report($url, { percentComplete => 50 })->{status}, 204,
       'and the URL is good for the next nginx worker');
};


subtest 'what is wrong with it nginx -t says' => sub {
    my $c = AsyncTest->new(name => 'progress-conf');

    for (['location /p { async_progress; }', 'ends in "/"'],
         ['location = /p/ { async_progress; }', 'ends in "/"'],
         ['location /p/ { async_progress base=; }', 'base=http://10.0.0.1'],
         ['location /p/ { async_progress 10.0.0.1; }', 'base=http://10.0.0.1'],
         ['location /p/ { async_progress base=ftp://a; }', 'base=http://'],
         ['location /p/ { async_progress base=http:///a; }', 'base=http://'],
         ['location /p/ { async_progress base=http://a?b; }', 'base=http://'],
         ['location /p/ { async_progress; async_progress; }', 'duplicate'],
         ['location /p/ { async_progress; async on; }', 'has "async_progress"'],
         ['location /p/ { async_progress; async_status; }', 'stands beside'],
         ['location /p/ { async_progress; proxy_pass http://127.0.0.1; }',
          'answers its requests']) {
        my ($location, $sentence) = @$_;
        $c->{http} = "server { listen 127.0.0.1:%%PORT%%; $location }";
        my ($code, $said) = $c->nginx_t;
        isnt($code, 0, $location);
        like($said, qr/\Q$sentence\E/, 'it says why');
    }
};


my ($code, $said) = $t->command('check');
is($code, 0, 'the store is sound') or diag($said);

$t->done;
done_testing;
