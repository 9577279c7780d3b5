package AsyncSchedule;

# What the tests of schedules share: the clock of nginx and the worker, which
# is moved from one time of a schedule to the next.
#
#   my $s = AsyncSchedule->new($t);
#   $s->start;                          # nginx and worker, by that clock
#   my $all = $s->ready;                # all that are active have a next time
#   $s->before('nightly');              # a moment before its next time
#   $s->fired('nightly', 1);            # so many runs in all, waited for

use strict;
use warnings;

use AsyncPreload;
use AsyncTest;
use JSON::PP ();
use Time::HiRes qw(time);
use Time::Local qw(timegm);


sub new {
    my ($class, $t) = @_;
    return bless { t => $t, clock => AsyncPreload->new($t, 'clock') }, $class;
}


sub start {
    my ($self) = @_;
    $self->{clock}->preloaded(sub {
        $self->{t}->start_nginx if !$self->{t}->pid('nginx');
        $self->{t}->start_worker;
    });
    return $self;
}


# by name, as the command tells of them; none, as long as there is no store
sub all {
    my ($self) = @_;
    my ($code, $out) = $self->{t}->command('schedules', '--json');
    return {} if $out =~ /there is no store in .* yet$/m;
    my ($json) = $out =~ /^(\{.*\})$/m;
    die "nginx-async schedules: $code, $out" if $code || !$json;
    return { map { $_->{name} => $_ }
             @{ JSON::PP::decode_json($json)->{schedules} } };
}


sub ready {
    my ($self, @names) = @_;
    my $all;

    poll_until(30, sub {
        $all = $self->all;
        my @wait = @names ? @names
                 : grep { !$all->{$_}{removed} && !$all->{$_}{paused} }
                   keys %$all;
        return @wait && !grep { !$all->{$_}{nextRunAt} } @wait;
    }) or die 'schedules without a next time: ', join ' ', keys %$all;

    return $all;
}


# unix seconds of what JSON says
sub seconds {
    my ($text) = @_;
    my ($y, $mon, $d, $h, $m, $s) = $text =~
        /^(\d+)-(\d+)-(\d+)T(\d+):(\d+):([\d.]+)Z$/ or die "no time: $text";
    return timegm(int $s, $m, $h, $d, $mon - 1, $y) + $s - int $s;
}


# sets the clock so many seconds (-0.5) after the next time of a schedule
sub before {
    my ($self, $name, $after) = @_;
    my $next = seconds($self->ready($name)->{$name}{nextRunAt});
    $self->set($next + ($after // -0.5));
    return $next;
}


sub set {
    my ($self, $seconds) = @_;
    $self->{clock}->set(offset => int 1000 * ($seconds - time));
}


sub now {
    my ($self) = @_;
    return time + $self->{clock}->get('offset') / 1000;
}


# requests that the backend got with ?key=
sub runs {
    my ($self, $key) = @_;
    return grep { $_->{target} =~ /[?&]key=$key(?:&|$)/ }
           $self->{t}->backend_log('arrived');
}


sub fired {
    my ($self, $key, $n) = @_;
    return poll_until(30, sub { $n == scalar $self->runs($key) });
}


1;
