# async_callback: what nginx -t makes of it.  Whom it calls is tested in
# flow/webhooks.t and flow/callback-hostile.t.

use strict;
use warnings;

use AsyncNginx;

# prepare: a secret
sub AsyncCheck::write_secret {
    my $path = "$ENV{TEST_NGINX_DATA}/secret";
    open my $out, '>', $path or die "$path: $!";
    chmod 0640, $path;
    print $out "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n";
    close $out or die "$path: $!";
}


my $refused = grep { $_->{refused} } blocks();

no_root_location();
plan tests => repeat_each() * (blocks() + $refused);
run_tests();

__DATA__

=== TEST 1: no part of our own host comes from a client
--- prepare
write_secret();
--- config
    async_callback        $http_x_callback_url;
    async_callback_allow  localhost;
    async_callback_secret $TEST_NGINX_DATA/secret;
    location /a     { async on; async_status_uri https://api.$http_host/jobs/; proxy_pass http://127.0.0.1:1; }
    location /jobs/ { async_status; }
--- refused: the URLs in a webhook need a host



=== TEST 2: but a path may
--- prepare
write_secret();
--- config
    async_callback        $http_x_callback_url;
    async_callback_allow  localhost;
    async_callback_secret $TEST_NGINX_DATA/secret;
    location /a     { async on; async_status_uri https://api.example.com/$arg_x/jobs/; proxy_pass http://127.0.0.1:1; }
    location /jobs/ { async_status; }
--- no_worker
--- check
is(submit('/a?x=y', headers => ['X-Callback-Url' => 'http://localhost/'])->json->{statusUrl} =~ s/[^\/]*$//r, 'https://api.example.com/y/jobs/', 'its URL');
is(request('POST', '/a?x=y', headers => ['X-Callback-Url' => 'http://example.com/'])->json->{code}, 'callback-refused', 'not to others');
