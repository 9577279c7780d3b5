#!/usr/bin/env perl

# An asynchronous request beside the same request on a synchronous server:
# what the backend receives, and what the client gets, byte for byte.
#
# Both servers have the same port and configuration, on 127.0.0.1 and
# 127.0.0.2; only one has "async on".

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use AsyncTest;
use Test::More;


my %address = (async => '127.0.0.1', sync => '127.0.0.2');
my $proxy   = <<'END';
            proxy_pass http://%%BACKEND%%;
            proxy_set_header Host $http_host;
            proxy_set_header X-Host $host;
            proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
            proxy_set_header X-Forwarded-Proto $scheme;
            proxy_set_header X-Https "[$https]";
            proxy_set_header X-Request-Id $request_id;
            proxy_set_header X-Real-IP $remote_addr;
            proxy_set_header X-Real-Port $remote_port;
            proxy_set_header X-Server $server_addr:$server_port;
            proxy_set_header X-Protocol $server_protocol;
            proxy_set_header X-Uri $request_uri;
            proxy_set_header X-Args $is_args$args;
            proxy_set_header X-Method $request_method;
            proxy_set_header X-Tls "$ssl_protocol $ssl_cipher";
            add_header X-Seen-Id $request_id always;
            add_header X-Seen-Port $remote_port always;
            client_max_body_size 64m;
END

sub server {
    my ($twin) = @_;
    my $async  = $twin eq 'async' ? 'async on; async_methods GET HEAD POST '
                                    . 'PUT PATCH DELETE OPTIONS PURGE;' : '';
    my $status = $twin eq 'async' ? 'location /jobs/ { async_status; '
                                    . 'client_max_body_size 64m; }' : '';
    return <<"END";
    server {
        listen $address{$twin}:%%PORT%%;
        listen $address{$twin}:%%PORT_H2%% http2;
        listen $address{$twin}:%%PORT_TLS%% ssl http2;
        server_name one.test two.test;
        ssl_certificate %%ROOT%%/cert.pem;
        ssl_certificate_key %%ROOT%%/key.pem;
        merge_slashes off;

        location / {
            $async
$proxy
        }

        location /modern {
            $async
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_pass http://%%BACKEND%%;
        }

        location /prefix/ {
            $async
            proxy_pass http://%%BACKEND%%/other/;
        }

        $status
    }
END
}

my $t = AsyncTest->new(http => server('async') . server('sync'));

$t->make_certificate('one.test');
$t->start;


# --- one request over a transport -----------------------------------------

my %transport = (
    'HTTP/1.1'          => {},
    'HTTP/1.1 over TLS' => { port => 'TLS', curl => ['--http1.1', '-k'] },
    'HTTP/2'            => { port => 'H2',
                             curl => ['--http2-prior-knowledge'] },
    'HTTP/2 over TLS'   => { port => 'TLS', curl => ['--http2', '-k'] },
);

# what: method, target, host, headers => [name, value, ...], body or
# chunks => [...], and the transport
sub ask {
    my ($twin, %what) = @_;
    my $by = $transport{ $what{transport} // 'HTTP/1.1' };
    return $by->{curl} ? ask_curl($twin, $by, %what) : ask_raw($twin, %what);
}


sub ask_raw {
    my ($twin, %what) = @_;
    my $bytes = "$what{method} $what{target} HTTP/1.1\r\n"
                . 'Host: ' . ($what{host} // 'one.test') . "\r\n";
    my @headers = @{ $what{headers} || [] };

    while (my ($name, $value) = splice @headers, 0, 2) {
        $bytes .= "$name: $value\r\n";
    }

    if ($what{chunks}) {
        $bytes .= "Transfer-Encoding: chunked\r\n\r\n";
        $bytes .= sprintf "%x\r\n%s\r\n", length $_, $_
            for @{ $what{chunks} }, '';
    } else {
        $bytes .= 'Content-Length: ' . length($what{body}) . "\r\n"
            if defined $what{body};
        $bytes .= "\r\n" . ($what{body} // '');
    }

    return $t->raw($bytes, addr => $address{$twin}, timeout => 60,
                   head_only => $what{method} eq 'HEAD');
}


sub ask_curl {
    my ($twin, $by, %what) = @_;
    my $scheme  = $by->{port} eq 'TLS' ? 'https' : 'http';
    my $port    = $t->port($by->{port});
    my @headers = @{ $what{headers} || [] };
    my @args    = (@{ $by->{curl} }, '--path-as-is', '-g', '-H', 'Expect:',
                   '--connect-to', "::$address{$twin}:$port");

    push @args, $what{method} eq 'HEAD' ? '-I' : ('-X', $what{method});

    while (my ($name, $value) = splice @headers, 0, 2) {
        push @args, '-H', length $value ? "$name: $value" : "$name;";
    }

    if ($what{chunks}) {
        $what{body} = join '', @{ $what{chunks} };
        push @args, '-H', 'Transfer-Encoding: chunked'
            if "@{ $by->{curl} }" =~ /http1/;
    }

    push @args, '-H', 'Content-Type:', '--data-binary',
         '@' . $t->write_file('curl.data', $what{body})
        if defined $what{body};
    my $answer = $t->curl(@args, "$scheme://" . ($what{host} // 'one.test')
                                 . ":$port$what{target}");

    # curl -I writes the head where the body would be
    $answer->{body} = '' if $answer && $what{method} eq 'HEAD';
    return $answer;
}


# the same request to both: what the backend got, and the two answers
sub twins {
    my (%what) = @_;
    my $before = $t->backend_stats->{executions};
    my %seen;

    $seen{sync}{answer} = ask('sync', %what) or return;
    my $accepted = ask('async', %what) or return;
    $seen{accepted} = $accepted;
    is($accepted->{status}, 202, "$what{name}: accepted") or do {
        diag($accepted->{head} . substr $accepted->{body}, 0, 300);
        return;
    };

    my $path = $t->job_path($accepted);
    $seen{job} = $t->wait_job($path, 60);
    $seen{async}{answer} = ask('async', transport => $what{transport},
        method => $what{method} eq 'HEAD' ? 'HEAD' : 'GET',
        target => "$path/result", host => $what{host});

    @{ $seen{sync} }{qw(head body)}  = $t->backend_request($before + 1);
    @{ $seen{async} }{qw(head body)} = $t->backend_request($before + 2);
    is($t->backend_stats->{executions}, $before + 2,
       "$what{name}: the backend was asked twice");
    return \%seen;
}


# --- comparing ------------------------------------------------------------

# of the request, what the contract takes off or adds
my %left_out = map { $_ => 1 } qw(accept-encoding range if-match
    if-none-match if-modified-since if-unmodified-since if-range expect);
my $added    = qr/^(?:async-job-id|async-attempt|idempotency-key)$/;
my $natural  = qr/^(?:x-request-id|x-real-port|x-server)$/;

sub head_lines {
    my ($head) = @_;
    my ($line, @lines) = split /\r\n/, $head;
    return ($line, map { [/^([^:]*):(.*)$/s] } @lines);
}


sub same_at_backend {
    my ($name, $seen) = @_;
    my ($sync_line, @sync)   = head_lines($seen->{sync}{head});
    my ($async_line, @async) = head_lines($seen->{async}{head});

    is($async_line, $sync_line, "$name: the request line");
    is_deeply(
        [grep { lc($_->[0]) !~ $added && lc($_->[0]) !~ $natural } @async],
        [grep { lc($_->[0]) !~ $natural && !$left_out{ lc $_->[0] }
                && lc($_->[0]) !~ /^async-|^idempotency-key$/ } @sync],
        "$name: header lines, their order and bytes")
        or diag($seen->{sync}{head}, $seen->{async}{head});
    ok($seen->{async}{body} eq $seen->{sync}{body},
       "$name: the body, " . length($seen->{sync}{body}) . ' bytes');

    my %field = map { lc $_->[0] => $_->[1] =~ s/^ //r } @async;
    my $id    = $seen->{job}{id};
    is($field{'async-job-id'}, $id, "$name: Async-Job-Id");
    is($field{'async-attempt'}, 1, "$name: Async-Attempt");
    is(scalar(grep { lc($_->[0]) =~ /^async-/ } @async), 2,
       "$name: no other Async- field");
    return \%field;
}


# values of the connection are those of the submission
sub same_connection {
    my ($name, $seen, $field) = @_;
    my $accepted = $seen->{accepted};

    like($field->{'x-request-id'}, qr/^[0-9a-f]{32}$/,
         "$name: the request id");
    is($field->{'x-request-id'}, $accepted->header('X-Seen-Id'),
       "$name: is that of the submission");
    is($field->{'x-real-port'}, $accepted->header('X-Seen-Port'),
       "$name: and so is the client's port");
    is($field->{'x-real-port'}, $accepted->{local_port},
       "$name: which is its socket's") if $accepted->{local_port};
    like($field->{'x-server'}, qr/^127\.0\.0\.1:\d+$/,
         "$name: the server's address");
    return;
}


# of the answer: framing, what differs by the clock, what is ours
my $framing = qr/^(?:date|server|connection|content-length|transfer-encoding
                 |async-result|x-seen-id|x-seen-port)$/xi;

sub answer_lines {
    my ($answer, $ours) = @_;
    # the order of names is nginx's, that of one name's values the backend's
    return [sort { $a->[0] cmp $b->[0] }
            grep { $_->[0] !~ $framing && !($ours && $_->[0] =~ $ours) }
            map { [lc $_->[0], $_->[1]] } @{ $answer->{lines} }];
}


sub same_at_client {
    my ($name, $seen) = @_;
    my $sync  = $seen->{sync}{answer};
    my $async = $seen->{async}{answer};
    my $length   = $async->header('Content-Length');

    is($length, length $async->{body}, "$name: a length")
        if length $async->{body};

    # what the backend has counted differs
    $_->{body} =~ s/"n": \d+/"n": N/ for $sync, $async;

    my $own_etag = !defined $sync->header('ETag')
                   && $sync->{status} =~ /^2/;
    my $ours = $own_etag ? 'etag' : '';

    # Range works on a stored 200, and says so
    $ours .= '|accept-ranges' if $sync->{status} == 200;

    is($async->{status}, $sync->{status}, "$name: the status");
    is_deeply(answer_lines($async, $ours && qr/^(?:$ours)$/i),
              answer_lines($sync, $ours && qr/^(?:accept-ranges)$/i),
              "$name: header lines of the answer")
        or diag($sync->{head}, $async->{head});
    ok($async->{body} eq $sync->{body},
       "$name: the answer's body, " . length($sync->{body}) . ' bytes');
    is($async->header('Async-Result'), $sync->{status},
       "$name: Async-Result");
    ok(!$async->header('X-Seen-Id'),
       "$name: add_header of the location is not part of the result");
    ok($async->header('ETag'), "$name: an ETag of ours") if $own_etag;

    is($seen->{job}{resultStatus}, $sync->{status}, "$name: resultStatus");
    is($seen->{job}{status}, $sync->{status} < 400 ? 'completed' : 'failed',
       "$name: the job is $seen->{job}{status}");
    is($seen->{job}{error}{code}, 'backend-status', "$name: the error")
        if $sync->{status} >= 400;
    return;
}


sub compare {
    my (%what) = @_;
    my $seen;

    subtest $what{name} => sub {
        $seen = twins(%what) or return fail("$what{name}: no answer");
        my $field = same_at_backend($what{name}, $seen);

        same_connection($what{name}, $seen, $field) if !$what{bare};
        same_at_client($what{name}, $seen);
    };

    return $seen;
}


# --- the requests ---------------------------------------------------------

my %body = (
    'an empty body' => '',
    'a 1-byte body' => "\0",
    '300 KB'        => join('', map { chr } 0 .. 255) x 1200,
    '20 MB'         => pattern(20 << 20),
);

for my $by (sort keys %transport) {
    for my $size (sort keys %body) {
        my $seen = compare(
            name => "$by, $size", transport => $by, method => 'POST',
            target => '/echo/' . ($size =~ tr/ /-/r) . '?echo=1&header='
                      . 'Content-Type:application/x-odd%3B+charset%3Dutf-8',
            body => $body{$size},
            headers => ['Content-Type' => 'application/octet-stream']);
        ok($seen->{async}{body} eq $body{$size},
           "$by, $size: and it is what was sent");
    }

    compare(name => "$by, chunked", transport => $by, method => 'POST',
            target => '/chunked?size=10',
            chunks => ['a', pattern(300_000), 'z']);

    compare(name => "$by, headers", transport => $by, method => 'PUT',
            target => '/headers?size=1', body => 'x', headers => [
                'X-Dup' => 'one', 'x-other' => '1', 'X-Dup' => 'two',
                'X-Dup' => 'one', 'X-Empty' => '', 'X-Odd' => "caf\xe9 \xff\x80",
                'Cookie' => 'a=b; c=d', 'X-Forwarded-For' => '192.0.2.1, x',
                'Accept-Encoding' => 'gzip', 'Range' => 'bytes=0-1',
                'If-None-Match' => '"x"', 'If-Modified-Since' => 'x',
                'X-Quotes' => q{"a\\"b", ;=,'}, 'Accept' => '*/*',
                'Authorization' => 'Bearer abc==', 'Via' => '1.1 a',
                'Async-Anything' => 'x', 'Async-Job-Id' => 'mine',
                'Prefer' => 'x=y', 'TE' => 'trailers',
                'Content-Type' => 'text/plain']);

    compare(name => "$by, $_", transport => $by, method => 'GET',
            target => $_)
        for '/a%2Fb/c%2fd', '//double//slash/', '/a/../b/./c/..', '/%7Eu/', '/q?a=%00%2F&b=%zz&c=[]{}|\\^`"<>', "/q?\xfc\x80=\xff",
            '/q?', '/q??a=?&&=', '/plus+and%20space?a+b', '/semi;colon=1,2',
            '/';

    compare(name => "$by, $_", transport => $by, method => $_,
            target => '/method', body => /HEAD|GET|OPTIONS/ ? undef : 'b')
        for qw(GET HEAD PUT PATCH DELETE OPTIONS PURGE);

    compare(name => "$by, a GET with a body", transport => $by,
            method => 'GET', target => '/get', body => 'odd');
    compare(name => "$by, a POST without one", transport => $by,
            method => 'POST', target => '/post');

    my $fields = join '', map { "&header=$_" } 'X-One:1', 'X-Two:a', 'X-Two:b',
        'X-Empty:', 'Set-Cookie2:x', 'Cache-Control:no-store',
        'Cache-Control:private', 'Link:%3Ca%3E%3Brel%3Dx', 'Vary:X-One',
        'Content-Language:de', 'Expires:0',
        'Last-Modified:Tue,+15+Nov+1994+12:45:26+GMT';

    compare(name => "$by, status $_", transport => $by, method => 'POST',
            target => "/status?status=$_$fields", body => 'x')
        for 200, 201, 204, 304, 404, 500;

    compare(name => "$by, its own ETag", transport => $by, method => 'POST',
            target => '/etag?header=ETag:%22abc%22', body => 'x');

    compare(name => "$by, a Location $_", transport => $by, method => 'POST',
            target => "/moved?status=302&header=Location:$_", body => 'x')
        for '/elsewhere?a=b', 'http://other.test/x', 'relative/x',
            'http://' . $t->expand('%%BACKEND%%') . '/own/x';

    compare(name => "$by, $_ bytes of answer", transport => $by,
            method => 'POST', target => "/size?size=$_", body => 'x')
        for 0, 1, 300_000, 20 << 20;
}


# what only one transport can show
compare(name => 'Host: two.test', method => 'POST', target => '/host',
        body => 'x', host => 'two.test');
compare(name => 'a Host with capitals and a port', method => 'POST',
        target => '/host?status=302&header=Location:/there', body => 'x',
        host => 'Two.Test:8080');
compare(name => 'an absolute target', method => 'POST',
        target => 'http://two.test/abs?a=b', body => 'x', host => 'one.test');
compare(name => 'HTTP/1.1 to the backend', bare => 1, method => 'POST',
        target => '/modern?chunked=1&size=300000', body => 'x');
compare(name => 'proxy_pass with a URI', bare => 1, method => 'POST',
        target => '/prefix/a%20b/../c?status=302&header=Location:http://'
                  . $t->expand('%%BACKEND%%') . '/other/x', body => 'x');
compare(name => 'extended white space', method => 'POST', target => '/ws',
        body => 'x', headers => ['X-Space' => "  a \t b  "]);
compare(name => 'names of fields', method => 'POST', target => '/names',
        body => 'x', headers => ["x-LOWER-Upper" => 1, "X!#\$%&'*+-.^_`|~" => 2,
                                 'X_Under' => 3]);

$t->done;
done_testing;
