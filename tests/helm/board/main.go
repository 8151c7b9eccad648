// board FILE: reads a dashboard as strictly as Grafana's schema has it, and says what is not in it.
package main

import (
	"fmt"
	"os"

	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/prometheus"
	"github.com/grafana/grafana-foundation-sdk/go/stat"
	"github.com/grafana/grafana-foundation-sdk/go/table"
	"github.com/grafana/grafana-foundation-sdk/go/timeseries"
)

// What is wrong; a list of no errors is an error value, too.
func complain(err error) {
	if err != nil && err.Error() != "" {
		fmt.Println(err)
		os.Exit(1)
	}
}

func main() {
	known := cog.NewRuntime() // kinds of panels and queries: others are unknown
	known.RegisterPanelcfgVariant(stat.VariantConfig())
	known.RegisterPanelcfgVariant(table.VariantConfig())
	known.RegisterPanelcfgVariant(timeseries.VariantConfig())
	known.RegisterDataqueryVariant(prometheus.VariantConfig())
	raw, err := os.ReadFile(os.Args[1])
	complain(err)
	var board dashboard.Dashboard
	complain(board.UnmarshalJSONStrict(raw))
	complain(board.Validate())
}
