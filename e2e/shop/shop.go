// Package shop is a sample application that logs sign-ins and orders through the OpenTelemetry Go
// SDK: with log/slog in its front end and with zap in its back end, as a real one might.
package shop

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"go.opentelemetry.io/contrib/bridges/otelslog"
	"go.opentelemetry.io/contrib/bridges/otelzap"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlplog/otlploggrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlplog/otlploghttp"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	"go.opentelemetry.io/otel/sdk/resource"
	"go.uber.org/zap"
)

// Shop is an open shop.
type Shop struct {
	web      *slog.Logger
	orders   *zap.Logger
	provider *sdklog.LoggerProvider
}

// Open opens a shop that sends its logs to endpoint (host:port), over gRPC, or over HTTP if http.
// The SDK's batches are its defaults: up to 512 records, once a second.
func Open(ctx context.Context, endpoint string, http bool) (*Shop, error) {
	var (
		exporter sdklog.Exporter
		err      error
	)
	if http {
		exporter, err = otlploghttp.New(ctx, otlploghttp.WithEndpoint(endpoint), otlploghttp.WithInsecure())
	} else {
		exporter, err = otlploggrpc.New(ctx, otlploggrpc.WithEndpoint(endpoint), otlploggrpc.WithInsecure())
	}
	if err != nil {
		return nil, fmt.Errorf("couldn't make the OTLP exporter: %w", err)
	}
	provider := sdklog.NewLoggerProvider(
		sdklog.WithProcessor(sdklog.NewBatchProcessor(exporter)),
		sdklog.WithResource(resource.NewSchemaless(
			attribute.String("service.name", "shop"),
			attribute.String("service.version", "1.4.2"),
		)),
	)
	return &Shop{
		web:      otelslog.NewLogger("shop/web", otelslog.WithLoggerProvider(provider)),
		orders:   zap.New(otelzap.NewCore("shop/orders", otelzap.WithLoggerProvider(provider))),
		provider: provider,
	}, nil
}

// SignIn logs a sign-in, and that it failed if it did.
func (s *Shop) SignIn(ctx context.Context, user, ip string, ok bool) {
	attrs := []slog.Attr{
		slog.String("user.name", user),
		slog.String("client.address", ip),
		slog.String("session.id", "s-"+user),
	}
	if ok {
		s.web.LogAttrs(ctx, slog.LevelInfo, "signed in", append(attrs, slog.String("event.name", "auth.success"))...)
		return
	}
	attrs = append(attrs, slog.String("event.name", "auth.failure"), slog.String("reason", "wrong password"))
	s.web.LogAttrs(ctx, slog.LevelWarn, "sign-in failed", attrs...)
}

// Order logs an order with its items.
func (s *Shop) Order(user string, number int, items map[string]int) {
	s.orders.Info("order placed",
		zap.String("event.name", "order.placed"),
		zap.String("user.name", user),
		zap.Int("order.number", number),
		zap.Any("order.items", items),
	)
}

// Close sends what has not been sent yet. An error means that some of it was not acknowledged.
func (s *Shop) Close(ctx context.Context) error {
	return errors.Join(s.provider.ForceFlush(ctx), s.provider.Shutdown(ctx))
}

// OneDay is a day in the shop: per customer a sign-in and an order, and one stranger who fails. It
// logs 2*len(customers)+1 records.
func (s *Shop) OneDay(ctx context.Context, customers ...string) {
	for i, customer := range customers {
		s.SignIn(ctx, customer, fmt.Sprintf("192.0.2.%d", i+1), true)
		s.Order(customer, 1000+i, map[string]int{"tea": i + 1, "cup": 2})
	}
	s.SignIn(ctx, "root", "203.0.113.66", false)
}
